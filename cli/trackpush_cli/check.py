"""`trackpush check`: lists all errors of a folder of resources, and what the server would serve."""

from pathlib import Path

import click
import msgspec

from trackpush_aggregators.catalog import CATALOG
from trackpush_api.account_url import account_url
from trackpush_api.compile import Compiled
from trackpush_api.definitions import profiles
from trackpush_api.plurals import counted
from trackpush_api.problems import Severity
from trackpush_cli.folder import compile_all, read_resources
from trackpush_cli.output import say, say_json


@click.command("check")
@click.argument("place", metavar="DIR|FILE|-", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--server", help="NAMESPACE/NAME of the WebhookServer, if there are several.")
@click.option("-o", "--output", type=click.Choice(("text", "json")), default="text", show_default=True)
def command(*, place: Path, server: str | None, output: str) -> None:
    """Check resources: list all errors with file and line, and what the server would serve.

    They are in a folder, in one file, or on standard input (-).

    Exit code 1 if there are errors; warnings don't count.
    """
    compiled = compile_all(place, server=server, read=read_resources)
    errors = sum(problem.severity is Severity.ERROR for problem in compiled.problems)
    if output == "json":
        document = {"problems": compiled.problems, "urls": _urls(compiled)}
        say_json(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())
    else:
        for problem in compiled.problems:
            say(str(problem))
        for name, url in _urls(compiled).items():
            say(f"{name}: {url}")
        say(f"{counted(errors, 'error')}, {counted(len(compiled.problems) - errors, 'warning')}")
    raise SystemExit(1 if errors else 0)


def _urls(compiled: Compiled) -> dict[str, str]:
    table = compiled.table
    if table is None:
        return {}
    known = profiles(table.server.definitions, CATALOG)
    return {account.name: account_url(table.server, known[account.aggregator]) for account in table.accounts}
