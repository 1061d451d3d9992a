"""`trackpush test push|notification`: sends a signed sample to an endpoint or to people, marked as a test."""

from typing import Any

import click

from trackpush_api.plurals import counted
from trackpush_api.vocabulary import ANNOUNCEMENT_KINDS, Status
from trackpush_cli import names
from trackpush_cli.errors import ProblemsFoundError
from trackpush_cli.output import output_option, print_data, say
from trackpush_cli.server_options import ServerChoice, server_options


@click.group("test")
def command() -> None:
    """Try out a client's endpoint, or messages to people."""


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


@command.command("notification", epilog="Exit code: 0 if every target answered 2xx; 1 if not; 2 if there is none.")
@click.option(
    "--push-config",
    metavar="NAMESPACE/NAME",
    help="Test the notifications of this PushConfig.  [default: those of the WebhookServer]",
    shell_complete=names.push_configs,
)
@click.option("--name", help="Test this notification only.  [default: all]")
@click.option(
    "--event",
    type=click.Choice(ANNOUNCEMENT_KINDS, case_sensitive=False),
    help="Event that the message reports, such as PushesDead.  [default: the first one that the notification selects]",
    metavar="EVENT",
)
@server_options
@output_option
def notification(
    *, push_config: str | None, name: str | None, event: str | None, server: ServerChoice, output: str
) -> None:
    """Send a test message as `spec.notifications` says, and show the answers.

    The message says that it is a test. It goes through the same egress rules as a real one, is signed in the same way,
    is written to the audit log, is not stored and not repeated.
    """
    port = server.open()
    wanted = {"pushConfig": push_config, "name": name, "event": event}
    view: dict[str, Any] = port.ask(
        "POST", "/api/v1/test-notifications", {key: value for key, value in wanted.items() if value is not None}
    )
    sent: list[dict[str, Any]] = view["notifications"]
    if output == "table":
        for entry in sent:
            answer = f"HTTP {entry['httpStatus']}" if entry["delivered"] else entry["error"]
            signed = "signed" if entry["signed"] else "not signed"
            details = f"{entry['format']}, {entry['event']}, {entry['bytes']} bytes, {signed}, webhook-id {entry['id']}"
            say(f"{entry['target']}: {answer} in {entry['durationMs']:.1f} ms ({details})")
    else:
        print_data(view, output)
    failed = [entry["target"] for entry in sent if not entry["delivered"]]
    if failed:
        raise ProblemsFoundError(
            f"{counted(len(failed), 'notification')} not accepted: {', '.join(failed)}; docs/notifications.md says what"
            " a target must answer"
        )
