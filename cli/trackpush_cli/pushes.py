"""`trackpush pushes`: shows pushes, from a running server or from a SQLite journal's file."""

import contextlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import click

from trackpush_api.vocabulary import Status
from trackpush_cli import names
from trackpush_cli.errors import CommandError, ProblemsFoundError
from trackpush_cli.keys import key_file_option, sealer
from trackpush_cli.moments import Moment
from trackpush_cli.option_types import error_option
from trackpush_cli.output import FORMATS, output_option, print_data
from trackpush_cli.pushes_drop import command as drop_command
from trackpush_cli.pushes_resume import reopen_command, try_command
from trackpush_cli.server_options import ServerChoice, server_options
from trackpush_cli.tail import command as tail_command
from trackpush_cli.zones import tz_option

if TYPE_CHECKING:
    from trackpush_server.journal.inbox import InboxEntry, InboxPage, InboxQuery
    from trackpush_server.journal.search import PushDetail, PushPage, PushQuery

_MOST = 1000
_DEFAULT = 50
EXPORTS = ("csv", "ndjson")
STATES = ("pending", "delivered", "dead", "dropped")

data_option = click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Read this SQLite journal on this machine, the folder given to `serve`, instead of a server.",
)


class Reads(Protocol):
    """Reads the journal."""

    def list_pushes(self, query: "PushQuery") -> "PushPage": ...

    def show(self, push_id: str) -> "PushDetail | None": ...

    def list_unrecognised(self, query: "InboxQuery") -> "InboxPage": ...

    def show_unrecognised(self, key: bytes) -> "InboxEntry | None": ...


@contextlib.contextmanager
def reading(data: Path | None, server: ServerChoice, key_files: tuple[Path, ...] = ()) -> Iterator[tuple[Reads, str]]:
    """The journal, and its name in messages."""
    if data is None:
        from trackpush_cli.admin_lookup import AdminLookup  # noqa: PLC0415  only here, for a fast start

        lookup = AdminLookup(server.open())
        yield lookup, lookup.place
        return
    from trackpush_cli.whys import ExplainedJournal  # noqa: PLC0415  only here, for a fast start
    from trackpush_server.journal.model import JournalUnavailableError  # noqa: PLC0415  same
    from trackpush_server.journal.sqlite.file_reader import JournalReader  # noqa: PLC0415  same

    try:
        with JournalReader(data, sealer=sealer(key_files)) as reader:
            yield ExplainedJournal(reader), str(data)
    except JournalUnavailableError as error:
        raise CommandError(str(error)) from None


def _milliseconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp() * 1000)


def _page_limit(limit: int | None) -> int:
    if limit is not None and limit > _MOST:
        raise click.BadParameter(
            f"{limit} is more than {_MOST}; -o csv and -o ndjson write any number", param_hint="--limit"
        )
    return _DEFAULT if limit is None else limit


def _awbs(given: tuple[str, ...]) -> tuple[str, ...]:
    """The AWBs of all values, each of which may be a pasted list."""
    from trackpush_server.journal.search import MOST_AWBS, parse_awbs  # noqa: PLC0415  only here, for a fast start

    found = parse_awbs("\n".join(given))
    if given and not found:
        raise click.BadParameter("it is empty", param_hint="--awb")
    if len(found) > MOST_AWBS:
        raise click.BadParameter(f"{len(found)} AWBs are too many: name at most {MOST_AWBS}", param_hint="--awb")
    return found


@click.group("pushes")
def command() -> None:
    """Show pushes and their attempts, why they wait, and try them now."""


@command.command(
    "list", epilog="Newest first. Exit code: 0, also if there are none; 2 if there is no server or no journal."
)
@data_option
@click.option("--awb", "awbs", multiple=True, metavar="AWB", help="Only this shipment, and returns whose forward AWB is"
              " this one. May be repeated; a value may be a list, by commas, blanks or line breaks.")  # fmt: skip
@click.option("--order", "order_id", metavar="ORDER", help="Only shipments of this order.")
@click.option("--status", type=click.Choice(list(Status), case_sensitive=False), metavar="STATUS",
              help="Only updates with this status, like OUT_FOR_DELIVERY.")  # fmt: skip
@click.option("--account", help="NAMESPACE/NAME of the AggregatorWebhook.", shell_complete=names.accounts)
@click.option("--client", help="Only this client: its namespace.", shell_complete=names.clients)
@click.option("--push-config", help="NAMESPACE/NAME of the destination.", shell_complete=names.push_configs)
@click.option("--state", type=click.Choice(STATES), help="Only pushes in this state.")
@error_option
@click.option("--since", type=Moment(), help="Received at or after: 2h (ago) or ISO 8601.")
@click.option("--until", type=Moment(), help="Received before: 2h (ago) or ISO 8601.")
@click.option("--ended-since", type=Moment(), help="Delivered, dropped or given up at or after: 2h (ago) or ISO 8601.")
@click.option("--ended-until", type=Moment(), help="Delivered, dropped or given up before: 2h (ago) or ISO 8601.")
@click.option("--limit", type=click.IntRange(min=1), help="Maximum number of results, at most 1000 unless -o is csv or"
              " ndjson. [default: 50; csv and ndjson: all]")  # fmt: skip
@click.option("--cursor", help="Continue after the last page: the cursor that it printed.")
@tz_option
@server_options
@click.option("-o", "--output", type=click.Choice((*FORMATS, *EXPORTS)), default="table", show_default=True,
              help="Output format. csv and ndjson write all matches, however many.")  # fmt: skip
def list_command(
    *,
    data: Path | None,
    server: ServerChoice,
    awbs: tuple[str, ...],
    order_id: str | None,
    status: str | None,
    account: str | None,
    client: str | None,
    push_config: str | None,
    state: str | None,
    errors: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    ended_since: datetime | None,
    ended_until: datetime | None,
    limit: int | None,
    cursor: str | None,
    output: str,
) -> None:
    """List pushes, the newest first."""
    from trackpush_cli import pushes_export as export  # noqa: PLC0415  only here, for a fast start
    from trackpush_cli import pushes_view as view  # noqa: PLC0415  same
    from trackpush_server.journal.model import PushState  # noqa: PLC0415  same
    from trackpush_server.journal.search import PushQuery  # noqa: PLC0415  same

    is_export = output in EXPORTS
    query = PushQuery(
        awbs=_awbs(awbs),
        order_id=order_id,
        status=status,
        account=account,
        client=client,
        push_config=push_config,
        state=None if state is None else PushState[state.upper()],
        since=_milliseconds(since),
        until=_milliseconds(until),
        ended_since=_milliseconds(ended_since),
        ended_until=_milliseconds(ended_until),
        errors=errors,
        limit=_MOST if is_export else _page_limit(limit),
        cursor=cursor,
    )
    with reading(data, server) as (reader, _):
        try:
            if is_export:
                export.write(export.found(reader.list_pushes, query, limit), output)
                return
            page = export.filled(reader.list_pushes, query)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--cursor") from None
    if output == "table":
        view.print_pushes(page.rows, page.older, hint=page.hint)
    else:
        print_data(view.page_data(page.rows, page.older), output)


@command.command("show", epilog="Exit code: 0; 1 if there is no such push; 2 if there is no server or no journal.")
@click.argument("push_id", metavar="ID")
@data_option
@click.option("--body", is_flag=True, help="Show the request as the client gets it, and the aggregator's body. They"
              " contain personal data: names, phone numbers.")  # fmt: skip
@click.option("--curl", is_flag=True, help="Print only a curl command that sends the request; set the variables for its"
              " secrets before you run it.")  # fmt: skip
@key_file_option
@tz_option
@server_options
@output_option
def show_command(
    *,
    push_id: str,
    data: Path | None,
    server: ServerChoice,
    body: bool,
    curl: bool,
    key_files: tuple[Path, ...],
    output: str,
) -> None:
    """Show one push: its shipment and every try. ID is the id from `list`, or the client's webhook-id."""
    from trackpush_cli import pushes_view as view  # noqa: PLC0415  only here, for a fast start
    from trackpush_server.ids import parse_push_id  # noqa: PLC0415  same

    try:
        parse_push_id(push_id)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="ID") from None
    with reading(data, server, key_files) as (reader, place):
        detail = reader.show(push_id)
    if detail is None:
        raise ProblemsFoundError(
            f"push {push_id}: not in the journal of {place}; it may be older than the retention time, or elsewhere"
        )
    if body and detail.unreadable is not None:
        raise CommandError(f"push {push_id}: {detail.unreadable}; here, give it with --encryption-key-file")
    if curl:
        view.print_curl(detail)
    elif output == "table":
        view.print_detail(detail, body=body)
    else:
        print_data(view.detail_data(detail, body=body), output)


command.add_command(tail_command)
command.add_command(drop_command)
command.add_command(try_command)
command.add_command(reopen_command)
