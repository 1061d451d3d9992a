"""`trackpush portal`: the links by which a client's own people enter the portal. docs/portal.md."""

from typing import Any
from urllib.parse import quote, urlencode

import click

from trackpush_cli import names
from trackpush_cli.errors import ProblemsFoundError
from trackpush_cli.moments import Duration
from trackpush_cli.output import output_option, print_data, print_table, say
from trackpush_cli.server_options import ServerChoice, server_options

_LINKS = "/api/v1/portal/links"


@click.group("portal")
def command() -> None:
    """Create, list and revoke links to the portal.

    The portal shows a client's own people their pushes, and nothing of another client.
    """


@command.command("link", epilog="Exit code: 0; 1 if the server refused; 2 if there is no server.")
@click.option("--client", required=True, help="The client: its namespace.", shell_complete=names.clients)
@click.option(
    "--role",
    type=click.Choice(("view", "operate")),
    default="view",
    show_default=True,
    help="operate: may also replay and try pushes, send test pushes, and see personal data.",
)
@click.option(
    "--expires", type=Duration(), default="7d", show_default=True, help="How long the link is valid; at most 366d."
)
@server_options
@output_option
def link_command(*, client: str, role: str, expires: float, server: ServerChoice, output: str) -> None:
    """Create a link and print its URL, which admits everybody who has it.

    The URL is shown only once. The audit log records the link, and each time somebody enters by it.
    """
    wanted = {"client": client, "role": role, "expiresInSeconds": int(expires)}
    port = server.open()
    made = port.find("POST", _LINKS, wanted)
    if made is None:
        raise ProblemsFoundError(
            f"{port.name}: no client {client} (no AggregatorWebhook or PushConfig is in a namespace of this name);"
            " or the server is older than this program"
        )
    if output != "table":
        print_data(made, output)
        return
    link = made["link"]
    say(made["url"])
    say(f"{link['id']}: role {link['role']}, valid until {link['expiresAt']}; revoke it with:", err=True)
    say(f"  trackpush portal revoke {link['id']}", err=True)


@command.command("links", epilog="Newest first. Exit code: 0, also if there are none; 2 if there is no server.")
@click.option("--client", help="Only this client: its namespace.", shell_complete=names.clients)
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=100, show_default=True, help="Maximum number of results."
)
@server_options
@output_option
def links_command(*, client: str | None, limit: int, server: ServerChoice, output: str) -> None:
    """List links, also expired and revoked ones; without their URLs."""
    query = {"limit": limit} | ({} if client is None else {"client": client})
    found = server.open().ask("GET", f"{_LINKS}?{urlencode(query)}")["links"]
    if output != "table":
        print_data({"links": found}, output)
    elif not found:
        say("there are no links", err=True)
    else:
        print_table(("ID", "CLIENT", "ROLE", "STATE", "EXPIRES", "CREATED", "BY"), [_cells(link) for link in found])


@command.command(
    "revoke", epilog="Exit code: 0; 1 if there is no such link, or if the server refused; 2 if there is no server."
)
@click.argument("link_id", metavar="ID")
@server_options
@output_option
def revoke_command(*, link_id: str, server: ServerChoice, output: str) -> None:
    """Revoke a link. Within five seconds it admits nobody, and its sessions end."""
    port = server.open()
    revoked = port.find("DELETE", f"{_LINKS}/{quote(link_id, safe='')}")
    if revoked is None:
        raise ProblemsFoundError(f"{port.name}: no link {link_id}; or the server is older than this program")
    if output == "table":
        say(f"{link_id} of client {revoked['client']} is revoked")
    else:
        print_data(revoked, output)


def _cells(link: Any) -> tuple[str, ...]:
    return tuple(str(link[name]) for name in ("id", "client", "role", "state", "expiresAt", "createdAt", "createdBy"))
