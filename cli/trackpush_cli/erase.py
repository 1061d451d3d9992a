"""`trackpush erase`: removes what the journal holds about a shipment or a client. docs/replay-and-erase.md."""

from typing import Any

import click

from trackpush_api.printable import printable
from trackpush_cli.admin_port import AdminClient
from trackpush_cli.errors import CommandError
from trackpush_cli.jobs import follow
from trackpush_cli.output import output_option, print_data, print_table, say
from trackpush_cli.server_options import ServerChoice, server_options
from trackpush_cli.zones import show_time, tz_option

_PATH = "/api/v1/erasures"


@click.command(
    "erase", epilog="Exit code: 0, also if nothing was found; 1 if the server refused; 2 if there is no server."
)
@click.option("--awb", help="Only this shipment, and returns whose forward AWB is this one.")
@click.option("--client", help="This client (its namespace): everything, or with --awb one shipment.")
@click.option(
    "--reason",
    default="",
    help="Reason for the record, at most 256 characters. The record is kept, so write no personal data.",
)
@click.option("--yes", is_flag=True, help="Erase a whole client without asking.")
@click.option("--list", "list_only", is_flag=True, help="List earlier erasures and exit.")
@tz_option
@server_options
@output_option
def command(
    *,
    awb: str | None,
    client: str | None,
    reason: str,
    yes: bool,
    list_only: bool,
    server: ServerChoice,
    output: str,
) -> None:
    """Erase a shipment's or client's bodies, names and phone numbers from the journal. This cannot be undone.

    Pending pushes are dropped. A record of the erasure stays.
    """
    if list_only:
        _list(server.open(), output)
        return
    if awb is None and client is None:
        raise click.UsageError("name the data to erase: --awb or --client")
    if awb is None and not yes:
        _confirm(str(client))
    port = server.open()
    job = port.ask("POST", _PATH, {"awb": awb, "client": client, "reason": reason})
    job = follow(port, _PATH, job, lambda job: f"{job['updates']} updates are erased")
    if output == "table":
        bodies = f" and {job['unrecognised']} unrecognised bodies" if job["unrecognised"] else ""
        say(f"{job['updates']} updates{bodies} were erased, and nothing of them is left in the journal's files")
        if job["unreadable"]:
            say(f"{job['unreadable']} unrecognised bodies could not be searched: their key is missing", err=True)
    else:
        print_data(job, output)


def _confirm(client: str) -> None:
    try:
        click.confirm(f"Erase everything of client {printable(client)}? This can't be undone.", abort=True)
    except click.Abort:
        raise CommandError("nothing was erased; --yes erases without asking") from None


def _list(port: AdminClient, output: str) -> None:
    found: list[dict[str, Any]] = port.ask("GET", _PATH)["erasures"]
    if output != "table":
        print_data(found, output)
        return
    rows = [
        (
            show_time(erasure["begunAt"]),
            "not completed" if erasure["endedAt"] is None else show_time(erasure["endedAt"]),
            erasure["subject"],
            str(erasure["updates"]),
            str(erasure["pushes"]),
            erasure["reason"],
        )
        for erasure in found
    ]
    print_table(("BEGUN", "DONE", "SUBJECT", "UPDATES", "PUSHES", "REASON"), rows)
