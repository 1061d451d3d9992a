"""`trackpush diff`: what a folder of resources would change in a running server or in a cluster, without secrets."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import click
import msgspec

from trackpush_api.problems import Problem, Severity
from trackpush_api.routing import RoutingTable
from trackpush_cli.admin_port import AdminClient
from trackpush_cli.errors import CommandError
from trackpush_cli.folder import compile_all, read_resources
from trackpush_cli.output import say
from trackpush_cli.server_options import ServerChoice, server_options

_PAGE: Final = 1000
_ALL: Final = 1 << 30
_MISSING: Final = "none"
Fields = dict[str, Any]
_HIDDEN: Final = (
    "something that is not shown differs: a key, a secret, a header, the path of a URL, or the details of a filter, of"
    " retries or of limits"
)


@click.command("diff", epilog="Exit code: 0 if nothing would change; 1 if something would; 2 for an error.")
@click.argument("place", metavar="DIR|FILE", type=click.Path(path_type=Path))
@server_options
def command(*, place: Path, server: ServerChoice) -> int:
    """Show what the resources in DIR would change in a running server, like `kubectl diff`.

    Compares with the configuration of a server that runs on a folder, or with the resources in the cluster.
    Values of Secrets are never shown, but a change of one is noticed.
    """
    if server.is_in_a_cluster:
        return _in_cluster(place, server)
    compiled = compile_all(place, server=server.server, read=read_resources)
    _refuse_errors(place, [problem for problem in compiled.problems if problem.severity is Severity.ERROR])
    if compiled.table is None:
        raise CommandError(f"{place} has no WebhookServer, so nothing can be compared")
    port = server.open()
    served = _served(port)
    if served["revision"] == compiled.table.revision:
        say("nothing would change")
        return 0
    lines = list(differences(_named(served), _named(_local(compiled.table))))
    for line in lines or [_HIDDEN]:
        say(line)
    return 1


def _in_cluster(place: Path, server: ServerChoice) -> int:
    from trackpush_cli.cluster.differences import compare  # noqa: PLC0415  slow to import

    parsed = read_resources(place)
    _refuse_errors(place, [problem for problem in parsed.problems if problem.severity is Severity.ERROR])
    found = compare(server.cluster(), parsed)
    for line in found.unknown:
        say(line, err=True)
    for line in found.lines or ["nothing would change"]:
        say(line)
    return 1 if found.lines else 0


def _refuse_errors(place: Path, errors: Sequence[Problem]) -> None:
    """Print the errors of the files, and end the command if there are any."""
    for problem in errors:
        say(str(problem), err=True)
    if errors:
        raise CommandError(f"{place} has errors, so the result is unknown; `trackpush check {place}` lists them")


def differences(old: dict[str, Fields], new: dict[str, Fields]) -> Iterator[str]:
    """One line for each resource that is added (+), removed (-) or changed (~), and one for each changed field."""
    for name in sorted({*old, *new}):
        if name not in new:
            yield f"- {name}"
        elif name not in old:
            yield f"+ {name}"
        elif old[name] != new[name]:
            yield f"~ {name}"
            for field in sorted({*old[name], *new[name]}):
                before, after = old[name].get(field), new[name].get(field)
                if before != after:
                    yield f"    {field}: {_shown(before)} -> {_shown(after)}"


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or _MISSING
    return _MISSING if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _named(config: dict[str, Any]) -> dict[str, Fields]:
    """The fields of each resource by ``Kind namespace/name``."""
    lists = {"PushConfig": config["pushConfigs"], "AggregatorWebhook": config["accounts"]}
    named = {f"{kind} {entry['name']}": dict(entry) for kind, entries in lists.items() for entry in entries}
    named["WebhookServer"] = {"hosts": list(config["hosts"]), "basePath": config["basePath"]}
    return named


def _local(table: RoutingTable) -> dict[str, Any]:
    from trackpush_server.admin.loaded import configuration  # noqa: PLC0415  only here, for a fast start

    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(configuration((), table, limit=_ALL)))
    return found


def _served(port: AdminClient) -> dict[str, Any]:
    """The server's configuration, all pages together."""
    whole: dict[str, Any] = {}
    after = ""
    while True:
        page = port.ask("GET", f"/api/v1/config?{urlencode({'limit': _PAGE, 'after': after})}")
        if not whole:
            whole = dict(page)
        else:
            whole["pushConfigs"] += page["pushConfigs"]
            whole["accounts"] += page["accounts"]
        if page["after"] is None:
            return whole
        after = page["after"]
