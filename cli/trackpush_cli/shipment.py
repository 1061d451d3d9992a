"""`trackpush shipment`: shows one shipment, from its updates to each client's answers."""

from typing import Any

import click

from trackpush_cli import names
from trackpush_cli.errors import ProblemsFoundError
from trackpush_cli.output import output_option, print_data, print_table, show_answer
from trackpush_cli.server_options import ServerChoice, server_options
from trackpush_cli.zones import show_time, tz_option


@click.command("shipment", epilog="Exit code: 0; 1 if no update of the shipment is stored; 2 if there is no server.")
@click.argument("awb", metavar="AWB")
@click.option("--client", help="Only this client: its namespace.", shell_complete=names.clients)
@tz_option
@server_options
@output_option
def command(*, awb: str, client: str | None, server: ServerChoice, output: str) -> None:
    """Show every update of a shipment: what came, when, to whom it was pushed, and what was answered."""
    from trackpush_cli.admin_lookup import AdminLookup  # noqa: PLC0415  only here, for a fast start

    lookup = AdminLookup(server.open())
    updates = lookup.shipment(awb, client)
    if not updates:
        raise ProblemsFoundError(
            f"{lookup.place}: no update of {awb} is in the journal. It never arrived, was erased, is older than the"
            " retention, or the aggregator uses another number. `trackpush doctor` checks whether posts can arrive"
        )
    if output == "table":
        _show(updates)
    else:
        print_data({"updates": updates}, output)


def _show(updates: list[dict[str, Any]]) -> None:
    rows = [row for update in updates for row in _rows(update)]
    print_table(("RECEIVED", "STATUS", "ACCOUNT", "PUSH CONFIG", "STATE", "TRIES", "WHY", "ID"), rows)


def _rows(update: dict[str, Any]) -> list[tuple[str, ...]]:
    from trackpush_cli.admin_lookup import milliseconds  # noqa: PLC0415  only here, for a fast start

    received = show_time(milliseconds(update["receivedAt"]) or 0)
    head = (received, "(erased)" if update["erasedAt"] else update["status"], update["account"])
    if not update["pushes"]:
        return [(*head, "none", "", "", _reason(update), "")]
    return [(*head, *_push(push)) for push in update["pushes"]]


def _push(entry: dict[str, Any]) -> tuple[str, ...]:
    push, attempts = entry["push"], entry["attempts"]
    delivered = push["state"] == "delivered" and attempts
    why = show_answer(attempts[-1]["httpStatus"], attempts[-1]["error"]) if delivered else _reason(push)
    return (push["pushConfig"], push["state"], str(push["tries"]), why, push["id"])


def _reason(found: dict[str, Any]) -> str:
    """Why a push waits or ended, or why an update has no push; an older server doesn't say it."""
    from trackpush_cli.whys import long_why, read_why  # noqa: PLC0415  only here, for a fast start

    return long_why(read_why(found["why"])) if found.get("why") else ""
