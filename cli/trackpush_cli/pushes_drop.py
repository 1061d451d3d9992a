"""`trackpush pushes drop`: ends pending pushes whose PushConfig does not exist. docs/cli.md."""

from typing import Any

import click

from trackpush_cli.errors import CommandError
from trackpush_cli.output import output_option, print_data, print_table, say
from trackpush_cli.server_options import ServerChoice, server_options

_PATH = "/api/v1/drops"


@click.command("drop", epilog="Exit code: 0, also if there was none; 1 if the server refused; 2 if there is no server.")
@click.option("--without-push-config", is_flag=True, required=True, help="Pushes whose PushConfig is missing.")
@click.option("--client", help="Only this client: its namespace, or NAMESPACE@UID for a deleted namespace.")
@click.option(
    "--push-config", help="Only this PushConfig (NAMESPACE/NAME), even if an AggregatorWebhook still names it."
)
@click.option("--yes", is_flag=True, help="Drop the pushes without asking.")
@server_options
@output_option
def command(
    *,
    without_push_config: bool,
    client: str | None,
    push_config: str | None,
    yes: bool,
    server: ServerChoice,
    output: str,
) -> None:
    """Drop pending pushes whose PushConfig does not exist. It can't be undone, but they can be replayed.

    Their updates stay, and so does the record of each push: it is dropped, with this reason.
    """
    del without_push_config  # the option is required, because a later version may be able to drop other pushes
    port = server.open()
    request: dict[str, Any] = {"client": client, "pushConfig": push_config}
    found = port.ask("POST", _PATH, request | {"dryRun": True})
    total = sum(waiting["pushes"] for waiting in found["pushConfigs"])
    if total and not yes:
        _show(found)
        _confirm(total)
    done, dropped = found, 0
    while total:
        done = port.ask("POST", _PATH, request)
        dropped += done["dropped"]
        if not done["more"]:
            break
    if output != "table":
        print_data(found | {"dropped": dropped, "more": False}, output)
        return
    say(f"{dropped} pushes were dropped" if total else "no push waits for a PushConfig that does not exist")
    if found["named"]:
        names = ", ".join(waiting["pushConfig"] for waiting in found["named"])
        say(f"not dropped, because an AggregatorWebhook names them: {names}; drop one with --push-config", err=True)


def _show(found: dict[str, Any]) -> None:
    rows = [(waiting["pushConfig"], str(waiting["pushes"])) for waiting in found["pushConfigs"]]
    print_table(("PUSHCONFIG", "PENDING"), rows)


def _confirm(total: int) -> None:
    try:
        click.confirm(f"Drop these {total} pushes?", abort=True)
    except click.Abort:
        raise CommandError("nothing was dropped; --yes drops without asking") from None
