"""`trackpush pushes`: shows pushes, from a running server or from a SQLite journal's file."""

import contextlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import click

from trackpush_cli.errors import CommandError, ProblemsFoundError
from trackpush_cli.keys import key_file_option, sealer
from trackpush_cli.moments import Moment
from trackpush_cli.output import output_option, print_data
from trackpush_cli.pushes_drop import command as drop_command
from trackpush_cli.server_options import ServerChoice, server_options
from trackpush_cli.tail import command as tail_command

if TYPE_CHECKING:
    from trackpush_server.journal.inbox import InboxEntry, InboxPage, InboxQuery
    from trackpush_server.journal.search import PushDetail, PushPage, PushQuery

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
    from trackpush_server.journal.model import JournalUnavailableError  # noqa: PLC0415  only here, for a fast start
    from trackpush_server.journal.sqlite.file_reader import JournalReader  # noqa: PLC0415  same

    try:
        with JournalReader(data, sealer=sealer(key_files)) as reader:
            yield reader, str(data)
    except JournalUnavailableError as error:
        raise CommandError(str(error)) from None


def _milliseconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp() * 1000)


@click.group("pushes")
def command() -> None:
    """Show pushes and their attempts: state, every try, time of the next one."""


@command.command(
    "list", epilog="Newest first. Exit code: 0, also if there are none; 2 if there is no server or no journal."
)
@data_option
@click.option("--awb", help="Only this shipment, and returns whose forward AWB is this one.")
@click.option("--client", help="Only this client: its namespace.")
@click.option("--push-config", help="NAMESPACE/NAME of the destination.")
@click.option("--state", type=click.Choice(STATES), help="Only pushes in this state.")
@click.option("--since", type=Moment(), help="Received at or after: 2h (ago) or ISO 8601.")
@click.option("--until", type=Moment(), help="Received before: 2h (ago) or ISO 8601.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="Maximum number of results.")
@click.option("--cursor", help="Continue after the last page: the cursor that it printed.")
@server_options
@output_option
def list_command(
    *,
    data: Path | None,
    server: ServerChoice,
    awb: str | None,
    client: str | None,
    push_config: str | None,
    state: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    cursor: str | None,
    output: str,
) -> None:
    """List pushes, the newest first."""
    from trackpush_cli import pushes_view as view  # noqa: PLC0415  only here, for a fast start
    from trackpush_server.journal.model import PushState  # noqa: PLC0415  same
    from trackpush_server.journal.search import PushQuery  # noqa: PLC0415  same

    query = PushQuery(
        awb=awb,
        client=client,
        push_config=push_config,
        state=None if state is None else PushState[state.upper()],
        since=_milliseconds(since),
        until=_milliseconds(until),
        limit=limit,
        cursor=cursor,
    )
    with reading(data, server) as (reader, _):
        try:
            page = reader.list_pushes(query)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--cursor") from None
    if output == "table":
        view.print_pushes(page.rows, page.older)
    else:
        print_data(view.page_data(page.rows, page.older), output)


@command.command("show", epilog="Exit code: 0; 1 if there is no such push; 2 if there is no server or no journal.")
@click.argument("push_id", metavar="ID")
@data_option
@click.option("--body", is_flag=True, help="Show the bodies, too. They contain personal data: names, phone numbers.")
@key_file_option
@server_options
@output_option
def show_command(
    *,
    push_id: str,
    data: Path | None,
    server: ServerChoice,
    body: bool,
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
    if output == "table":
        view.print_detail(detail, body=body)
    else:
        print_data(view.detail_data(detail, body=body), output)


command.add_command(tail_command)
command.add_command(drop_command)
