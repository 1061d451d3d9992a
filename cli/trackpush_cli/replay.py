"""`trackpush replay`: sends pushes that have ended once more. docs/replay-and-erase.md."""

from datetime import datetime
from typing import Any

import click

from trackpush_cli.errors import INTERRUPTED
from trackpush_cli.jobs import cancel, follow
from trackpush_cli.moments import Moment
from trackpush_cli.output import output_option, print_data, print_table
from trackpush_cli.server_options import ServerChoice, server_options

_PATH = "/api/v1/replays"
STATES = ("dead", "delivered", "dropped")


@click.command("replay", epilog="Exit code: 0, also when nothing was found; 1 when the server refused; 2 no server.")
@click.option("--id", "ids", multiple=True, metavar="ID", help="This push (may be repeated).")
@click.option("--awb", help="Pushes of this shipment, also as the forward AWB of a return.")
@click.option("--client", help="Of this namespace.")
@click.option("--push-config", help="NAMESPACE/NAME of the destination.")
@click.option("--state", "states", multiple=True, type=click.Choice(STATES), default=("dead",), show_default=True,
              help="Only those (may be repeated).")  # fmt: skip
@click.option("--since", type=Moment(), help="Received at or after: 2h (ago) or ISO 8601.")
@click.option("--until", type=Moment(), help="Received before: 2h (ago) or ISO 8601.")
@click.option("--dry-run", is_flag=True, help="Count, and send nothing.")
@server_options
@output_option
def command(
    *,
    ids: tuple[str, ...],
    awb: str | None,
    client: str | None,
    push_config: str | None,
    states: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    dry_run: bool,
    server: ServerChoice,
    output: str,
) -> int:
    """Send pushes that have ended once more: dead ones, unless --state says otherwise.

    They keep their webhook-id, so a client that dedupes by it books nothing twice.
    """
    if not (ids or awb or client or push_config):
        raise click.UsageError("name what to replay: --id, --awb, --client or --push-config")
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
    port = server.open()
    job = port.ask("POST", _PATH, request)
    try:
        job = follow(port, _PATH, job, _progress, share=lambda job: (job["replayed"], _found(job)))
    except KeyboardInterrupt:
        job = cancel(port, _PATH, job)
    _show(job, output)
    return INTERRUPTED if job["state"] == "cancelled" else 0


def _progress(job: dict[str, Any]) -> str:
    return f"{_found(job)} found" if job["dryRun"] else f"{job['replayed']} of {_found(job)} found are pending again"


def _found(job: dict[str, Any]) -> int:
    return sum(count for states in job["found"].values() for count in states.values())


def _show(job: dict[str, Any], output: str) -> None:
    if output != "table":
        print_data(job, output)
        return
    rows = [
        (push_config, state, str(count))
        for push_config, states in sorted(job["found"].items())
        for state, count in sorted(states.items())
    ]
    if rows:
        print_table(("PUSHCONFIG", "STATE", "PUSHES"), rows)
    if not rows:
        click.echo("nothing matches (erased pushes and those older than the retention can't be replayed)")
    elif job["dryRun"]:
        click.echo("dry run: nothing was sent; leave out --dry-run to send them")
    else:
        click.echo(f"{job['replayed']} pushes are pending again; `trackpush pushes list` shows what becomes of them")
