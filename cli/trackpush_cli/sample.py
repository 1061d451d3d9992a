"""`trackpush test push`: sends a signed sample to a PushConfig's URL, marked as a test."""

from typing import Any

import click

from trackpush_api.vocabulary import Status
from trackpush_cli import names
from trackpush_cli.errors import ProblemsFoundError
from trackpush_cli.output import output_option, print_data, say
from trackpush_cli.server_options import ServerChoice, server_options


@click.group("test")
def command() -> None:
    """Try out a client's endpoint."""


@command.command("push", epilog="Exit code: 0 if the endpoint answered 2xx; 1 if not; 2 if there is no server.")
@click.option(
    "--push-config",
    required=True,
    metavar="NAMESPACE/NAME",
    help="The destination.",
    shell_complete=names.push_configs,
)
@click.option(
    "--status",
    type=click.Choice(list(Status), case_sensitive=False),
    default=Status.DELIVERED.value,
    show_default=True,
    metavar="STATUS",
    help="Status of the made-up shipment.",
)
@server_options
@output_option
def push(*, push_config: str, status: str, server: ServerChoice, output: str) -> None:
    """Send one push of a made-up shipment, rendered and signed as a real one.

    Its body has `"test": true`, and its header `trackpush-test: 1` marks it in every format. It goes through the same
    egress rules, is written to the audit log, is not stored and not repeated, and is not counted as a push.
    """
    port = server.open()
    view: dict[str, Any] = port.ask("POST", "/api/v1/test-pushes", {"pushConfig": push_config, "status": str(status)})
    if output == "table":
        answer = f"HTTP {view['httpStatus']}" if view["delivered"] else view["error"]
        say(f"{push_config}: {answer} in {view['durationMs']:.1f} ms")
        signed = "signed" if view["signed"] else "not signed: the PushConfig has no spec.signing"
        say(f"webhook-id {view['id']}, AWB {view['awb']}, {view['bytes']} bytes, {signed}")
    else:
        print_data(view, output)
    if not view["delivered"]:
        raise ProblemsFoundError(
            f"{push_config} did not accept the test push: {view['error']}; docs/receiving-pushes.md says what to answer"
        )
