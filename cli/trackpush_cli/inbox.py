"""`trackpush inbox`: bodies with a known key that name no shipment. docs/inbox.md."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from trackpush_api.plurals import counted
from trackpush_api.printable import printable
from trackpush_cli.errors import INTERRUPTED, CommandError, ProblemsFoundError
from trackpush_cli.jobs import cancel, follow
from trackpush_cli.keys import key_file_option
from trackpush_cli.output import output_option, print_body, print_data, print_table, say
from trackpush_cli.pushes import data_option, reading
from trackpush_cli.server_options import ServerChoice, server_options
from trackpush_cli.zones import show_time, show_time_text, tz_option

if TYPE_CHECKING:
    from trackpush_server.journal.inbox import InboxRow

_RETRIES = "/api/v1/inbox/retries"


@click.group("inbox")
def command() -> None:
    """Show unrecognised bodies, and parse them again.

    They arrived with a known key, but contain no shipment.
    """


@command.command(
    "list", epilog="Newest first. Exit code: 0, also if there are none; 2 if there is no server or no journal."
)
@data_option
@click.option("--account", help="Only this AggregatorWebhook: NAMESPACE/NAME.")
@click.option("--client", help="Only this client: its namespace.")
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=100, show_default=True, help="Maximum number of results."
)
@click.option("--before", type=click.IntRange(min=1), help="Continue after the last page: its last id.")
@tz_option
@server_options
@output_option
def list_command(
    *,
    data: Path | None,
    server: ServerChoice,
    account: str | None,
    client: str | None,
    limit: int,
    before: int | None,
    output: str,
) -> None:
    """List unrecognised bodies."""
    from trackpush_server.journal.inbox import InboxQuery  # noqa: PLC0415  only here, for a fast start

    query = InboxQuery(account=account, client=client, before=before, limit=limit)
    with reading(data, server) as (reader, _):
        page = reader.list_unrecognised(query)
    if output != "table":
        print_data({"bodies": [_data(row) for row in page.rows], "before": page.older}, output)
        return
    if not page.rows:
        say("no unrecognised bodies match", err=True)
        return
    print_table(
        ("LAST RECEIVED", "ACCOUNT", "TIMES", "BYTES", "CONTENT TYPE", "ID"), [_cells(row) for row in page.rows]
    )
    if page.older is not None:
        say(f"there are more: add --before {page.older}", err=True)


@command.command("summary", epilog="Exit code: 0; 2 if there is no server.")
@tz_option
@server_options
@output_option
def summary_command(*, server: ServerChoice, output: str) -> None:
    """Count what arrived and did not reach a client.

    Unrecognised bodies by account, requests with an unknown key by aggregator and host, and codes without a known
    status. The last two are counted since the start of the server.
    """
    port = server.open()
    bodies = port.ask("GET", "/api/v1/inbox?limit=1")["accounts"]
    keys = port.ask("GET", "/api/v1/unknown-keys")["places"]
    codes = port.ask("GET", "/api/v1/unknown-codes?limit=1000")["codes"]
    if output != "table":
        print_data({"accounts": bodies, "unknownKeys": keys, "unknownCodes": codes}, output)
        return
    if not (bodies or keys or codes):
        say("everything that arrived was used")
    _section(("ACCOUNT", "BODIES", "BYTES", "OLDEST"), bodies, ("account", "bodies", "bytes", "oldestReceivedAt"))
    _section(
        ("AGGREGATOR", "HOST", "UNKNOWN KEY", "FIRST", "LAST"),
        keys,
        ("aggregator", "host", "requests", "firstAt", "lastAt"),
    )
    _section(
        ("AGGREGATOR", "UNKNOWN CODE", "UPDATES", "FIRST", "LAST"),
        codes,
        ("aggregator", "code", "count", "firstAt", "lastAt"),
    )


def _section(head: Sequence[str], rows: Sequence[dict[str, Any]], members: Sequence[str]) -> None:
    if rows:
        print_table(head, [tuple(_cell(name, row[name]) for name in members) for row in rows])
        say()


def _cell(name: str, value: Any) -> str:
    if name.endswith("At"):
        return show_time_text(value)
    return "" if value is None else printable(str(value))


@command.command("show", epilog="Exit code: 0; 1 if it is not in the inbox; 2 if there is no server or no journal.")
@click.argument("inbox_id", metavar="ID")
@data_option
@click.option(
    "--body",
    is_flag=True,
    help="Write the body itself: byte for byte, or on a terminal with escapes. It may contain personal data.",
)
@key_file_option
@tz_option
@server_options
@output_option
def show_command(
    *, inbox_id: str, data: Path | None, server: ServerChoice, body: bool, key_files: tuple[Path, ...], output: str
) -> None:
    """Show one unrecognised body: its source and time."""
    key = _key(inbox_id)
    with reading(data, server, key_files) as (reader, place):
        entry = reader.show_unrecognised(key)
    if entry is None:
        raise ProblemsFoundError(
            f"{inbox_id}: not in the inbox of {place}; it was recognised, dropped, erased or has expired"
        )
    if body:
        if entry.unreadable is not None:
            raise CommandError(f"{inbox_id}: {entry.unreadable}; with --data, give it with --encryption-key-file")
        print_body(entry.body)
    elif output == "table":
        print_table(("FIELD", "VALUE"), [(name, _cell(name, value)) for name, value in _data(entry.row).items()])
    else:
        print_data(_data(entry.row), output)


@command.command(
    "retry",
    epilog="Exit code: 0 if every body was recognised; 1 if not, or if the server refused; 2 if there is no server.",
)
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--account", help="All bodies of this AggregatorWebhook: NAMESPACE/NAME.")
@click.option("--client", help="All bodies of this client: its namespace.")
@click.option("--all", "everything", is_flag=True, help="All stored bodies.")
@server_options
@output_option
def retry_command(
    *,
    ids: tuple[str, ...],
    account: str | None,
    client: str | None,
    everything: bool,
    server: ServerChoice,
    output: str,
) -> int:
    """Parse bodies again, with the rules and the configuration of the running server.

    A recognised body is stored and pushed as if it had just arrived, and is removed from the inbox.
    """
    if sum([bool(ids), account is not None or client is not None, everything]) != 1:
        raise click.UsageError("name what to retry: one or more IDs, --account or --client, or --all")
    for identifier in ids:
        _key(identifier)
    port = server.open()
    job = port.ask("POST", _RETRIES, {"ids": list(ids), "account": account, "client": client, "all": everything})
    try:
        job = follow(port, _RETRIES, job, _progress, share=lambda job: (job["done"], job["found"]))
    except KeyboardInterrupt:
        job = cancel(port, _RETRIES, job)
    _show_results(job, output)
    if job["state"] == "cancelled":
        return INTERRUPTED
    left = job["found"] - job["recognised"]
    if left:
        raise ProblemsFoundError(
            f"{counted(left, 'entry') if left == 1 else f'{left} entries'} could not be recognised"
        )
    return 0


def _show_results(job: dict[str, Any], output: str) -> None:
    if output != "table":
        print_data(job, output)
        return
    if not job["found"]:
        say("none of them is in the inbox")
        return
    print_table(
        ("ID", "ACCOUNT", "RESULT"),
        [(result["id"], result["account"] or "", _result(result)) for result in job["results"]],
    )
    say(_progress(job))


def _result(result: dict[str, Any]) -> str:
    if result["result"] != "recognised":
        return f"{result['result']}: {result['reason']}"
    parts = [f"{counted(result['accepted'], 'update')} stored"]
    parts += [f"{result['duplicates']} known before"] if result["duplicates"] else []
    parts += [f"{counted(result['kept'], 'part')} still unrecognised"] if result["kept"] else []
    return f"recognised: {', '.join(parts)}"


def _progress(job: dict[str, Any]) -> str:
    return f"{job['recognised']} of {job['found']} recognised, {counted(job['accepted'], 'update')} stored"


def _key(text: str) -> bytes:
    from trackpush_server.ids import parse_inbox_id  # noqa: PLC0415  only here, for a fast start

    try:
        return parse_inbox_id(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="ID") from None


def _cells(row: "InboxRow") -> tuple[str, ...]:
    data = _data(row)
    return (show_time(row.last_at), row.account, str(row.times), str(row.size), row.content_type, data["id"])


def _data(row: "InboxRow") -> dict[str, Any]:
    """One body for programs, as the admin API gives it."""
    from trackpush_aggregators.updates import rfc3339  # noqa: PLC0415  same
    from trackpush_server.ids import inbox_id  # noqa: PLC0415  only here, for a fast start

    return {
        "id": inbox_id(row.key),
        "account": row.account,
        "aggregator": row.aggregator,
        "receivedAt": rfc3339(row.received_at),
        "lastReceivedAt": rfc3339(row.last_at),
        "times": row.times,
        "bytes": row.size,
        "contentType": row.content_type,
    }
