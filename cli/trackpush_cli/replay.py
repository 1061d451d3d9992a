"""`trackpush replay`: sends ended pushes again. docs/replay-and-erase.md."""

from datetime import datetime
from typing import Any

import click

from trackpush_cli import names
from trackpush_cli.admin_port import AdminClient
from trackpush_cli.errors import INTERRUPTED, CommandError
from trackpush_cli.jobs import cancel, follow
from trackpush_cli.moments import Moment
from trackpush_cli.option_types import error_option
from trackpush_cli.output import output_option, print_data, print_table, say
from trackpush_cli.server_options import ServerChoice, server_options

_PATH = "/api/v1/replays"
_COUNTED_TO = 1000
"""The server counts pushes that are already pending only up to this number."""
STATES = ("dead", "delivered", "dropped", "filtered")


@click.command(
    "replay", epilog="Exit code: 0, also if nothing was found; 1 if the server refused; 2 if there is no server."
)
@click.option("--id", "ids", multiple=True, metavar="ID", help="Id of a push (may be repeated).")
@click.option("--awb", help="Pushes of this shipment, and of returns whose forward AWB is this one.")
@click.option("--client", help="Only this client: its namespace.", shell_complete=names.clients)
@click.option("--push-config", help="NAMESPACE/NAME of the destination.", shell_complete=names.push_configs)
@error_option
@click.option("--state", "states", multiple=True, type=click.Choice(STATES), default=("dead",), show_default=True,
              help="Only pushes in this state (may be repeated).")  # fmt: skip
@click.option("--since", type=Moment(), help="Received at or after: 2h (ago) or ISO 8601.")
@click.option("--until", type=Moment(), help="Received before: 2h (ago) or ISO 8601.")
@click.option("--ended-since", type=Moment(), help="Delivered, dropped or given up at or after: 2h (ago) or ISO 8601.")
@click.option("--ended-until", type=Moment(), help="Delivered, dropped or given up before: 2h (ago) or ISO 8601.")
@click.option("--dry-run", is_flag=True, help="Count the pushes; send nothing.")
@click.option("--yes", is_flag=True, help="Send delivered pushes again without asking.")
@server_options
@output_option
def command(
    *,
    ids: tuple[str, ...],
    awb: str | None,
    client: str | None,
    push_config: str | None,
    errors: tuple[str, ...],
    states: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    ended_since: datetime | None,
    ended_until: datetime | None,
    dry_run: bool,
    yes: bool,
    server: ServerChoice,
    output: str,
) -> int:
    """Send ended pushes again: dead ones, unless --state names others.

    They keep their webhook-id, so that a client that deduplicates by it processes nothing twice.
    --state filtered pushes stored updates that a PushConfig's filter dropped and accepts now.
    With --state delivered, the command shows the count and asks before it sends.
    """
    if not (ids or awb or client or push_config or errors):
        raise click.UsageError("name what to replay: --id, --awb, --client, --push-config or --error")
    request = {
        "ids": list(ids),
        "awb": awb,
        "client": client,
        "pushConfig": push_config,
        "states": list(dict.fromkeys(states)),
        "since": None if since is None else since.isoformat(),
        "until": None if until is None else until.isoformat(),
        "dryRun": dry_run,
    }
    # only if given: an older server refuses fields that it does not know
    request |= {"errors": list(errors)} if errors else {}
    request |= {} if ended_since is None else {"endedSince": ended_since.isoformat()}
    request |= {} if ended_until is None else {"endedUntil": ended_until.isoformat()}
    port = server.open()
    try:
        if "delivered" in states and not dry_run and not yes:
            _confirm(_run(port, {**request, "dryRun": True}))
        job = _run(port, request)
    except _CancelledJobError as cancelled:
        job = cancelled.job
    _show(job, output)
    return INTERRUPTED if job["state"] == "cancelled" else 0


class _CancelledJobError(Exception):
    """Ctrl-C cancelled the job."""

    def __init__(self, job: dict[str, Any]) -> None:
        super().__init__(job["id"])
        self.job = job


def _run(port: AdminClient, request: dict[str, Any]) -> dict[str, Any]:
    job = port.ask("POST", _PATH, request)
    try:
        return follow(port, _PATH, job, _progress, share=lambda job: (job["replayed"], _found(job)))
    except KeyboardInterrupt:
        raise _CancelledJobError(cancel(port, _PATH, job)) from None


def _confirm(counted: dict[str, Any]) -> None:
    """Ask for confirmation, because the clients already have these pushes and get each of them again.

    Raises:
        CommandError: the answer is not yes, or there is no terminal.
    """
    found = _found(counted)
    if not found:
        return
    for push_config, state, count in _rows(counted):
        say(f"{push_config}: {count} {state}", err=True)
    try:
        click.confirm(f"Send {_pushes(found)} again, delivered ones included?", abort=True, err=True)
    except click.Abort:
        raise CommandError("nothing was sent; --yes sends without asking") from None


def _progress(job: dict[str, Any]) -> str:
    return f"{_found(job)} found" if job["dryRun"] else f"{job['replayed']} of {_found(job)} found are pending again"


def _found(job: dict[str, Any]) -> int:
    return sum(count for states in job["found"].values() for count in states.values())


def _show(job: dict[str, Any], output: str) -> None:
    if output != "table":
        print_data(job, output)
        return
    rows = _rows(job)
    if rows:
        print_table(("PUSHCONFIG", "STATE", "PUSHES"), rows)
    found = _found(job)
    if not found and not job["pending"]:
        say("nothing matches (erased pushes and those older than the retention time can't be replayed)")
    elif job["dryRun"]:
        say("dry run: nothing was sent; leave out --dry-run to send them")
    elif found:
        say(f"{job['replayed']} pushes are pending again; `trackpush pushes list` shows their progress")
    if job.get("unreadable"):
        say(
            f"{job['unreadable']} updates can't be decrypted, so the filter can't be applied and they were skipped;"
            " an encryption key may be missing",
            err=True,
        )
    for push_config, count in sorted(job["pending"].items()):
        say(f"{push_config}: {_pending(count)}")
    for push_config, reason in sorted(job["waiting"].items()):
        say(f"{push_config}: {reason}")


def _rows(job: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [
        (push_config, state, str(count))
        for push_config, states in sorted(job["found"].items())
        for state, count in sorted(states.items())
    ]


def _pushes(count: int) -> str:
    return f"{count} push" if count == 1 else f"{count} pushes"


def _pending(count: int) -> str:
    if count == 1:
        return "1 matching push is pending already and needs no replay"
    return f"{count}{' or more' if count >= _COUNTED_TO else ''} matching pushes are pending already and need no replay"
