"""`trackpush pushes try` and `trackpush pushes reopen`: end the wait of one push, or of a gone endpoint's pushes."""

from urllib.parse import quote

import click

from trackpush_cli.errors import ProblemsFoundError
from trackpush_cli.output import output_option, print_data, say, show_answer
from trackpush_cli.server_options import ServerChoice, server_options


@click.command(
    "try", epilog="Exit code: 0 if it was delivered; 1 if not, or if the server refused; 2 if there is no server."
)
@click.argument("push_id", metavar="ID")
@server_options
@output_option
def try_command(*, push_id: str, server: ServerChoice, output: str) -> None:
    """Try a pending push now, once, without waiting for its next attempt.

    It counts like every attempt. An earlier push of the same shipment must be tried first. ID is the id from `list`, or
    the client's webhook-id.
    """
    from trackpush_cli.whys import long_why, read_why  # noqa: PLC0415  only here, for a fast start

    port = server.open()
    found = port.find("POST", f"/api/v1/pushes/{quote(push_id, safe='')}/try")
    if found is None:
        raise ProblemsFoundError(f"{port.name}: no push {push_id}; or the server is older than this program")
    push, attempt = found["push"], found["attempt"]
    if output != "table":
        print_data(found, output)
    elif attempt is None:
        say(f"{push['state']}: {long_why(read_why(push['why']))}")
    else:
        say(f"attempt {attempt['number']}: {show_answer(attempt['httpStatus'], attempt['error'])}")
        say(f"{push['state']}: {long_why(read_why(push['why']))}")
    if push["state"] != "delivered":
        raise click.exceptions.Exit(1)


@click.command(
    "reopen", epilog="Exit code: 0; 1 if the endpoint is not gone, or if the server refused; 2 if there is no server."
)
@click.argument("push_config", metavar="NAMESPACE/NAME")
@server_options
@output_option
def reopen_command(*, push_config: str, server: ServerChoice, output: str) -> None:
    """Send pushes again to an endpoint that answered 410."""
    namespace, slash, name = push_config.partition("/")
    if not (namespace and slash and name) or "/" in name:
        raise click.BadParameter(f"{push_config!r} is not NAMESPACE/NAME", param_hint="NAMESPACE/NAME")
    port = server.open()
    path = f"/api/v1/push-configs/{quote(namespace, safe='')}/{quote(name, safe='')}/reopen"
    found = port.find("POST", path)
    if found is None:
        raise ProblemsFoundError(f"{port.name}: no PushConfig {push_config}; or the server is older than this program")
    if output == "table":
        say(f"{push_config} is open again; its {found['pending']} pending pushes are being sent")
    else:
        print_data(found, output)
