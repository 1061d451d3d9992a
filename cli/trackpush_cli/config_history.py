"""`trackpush config history`: shows which resources changed, when and how."""

from typing import Any
from urllib.parse import urlencode

import click

from trackpush_cli import names
from trackpush_cli.admin_lookup import milliseconds
from trackpush_cli.output import output_option, print_data, say
from trackpush_cli.server_options import ServerChoice, server_options
from trackpush_cli.zones import show_time, tz_option

_HIDDEN = "nothing that can be shown: the value of a Secret, or a new version of Trackpush"


@click.group("config")
def command() -> None:
    """Show the history of a server's configuration."""


@command.command("history", epilog="Newest first. Exit code: 0, also if there is none; 2 if there is no server.")
@click.option("--client", help="Only changes of this client's resources: its namespace.", shell_complete=names.clients)
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="Maximum number of changes.")
@click.option("--before", type=click.IntRange(min=1), help="Continue after the last page: the id that it printed.")
@tz_option
@server_options
@output_option
def history_command(*, client: str | None, limit: int, before: int | None, server: ServerChoice, output: str) -> None:
    """Show what changed in the configuration that the server used, and when.

    Of secrets, it only shows that they changed.
    """
    asked = {"client": client, "limit": limit, "before": before}
    query = urlencode({name: value for name, value in asked.items() if value is not None})
    found = server.open().ask("GET", f"/api/v1/config/history?{query}")
    if output != "table":
        print_data(found, output)
        return
    if not found["changes"]:
        say("no change is stored" if client is None else f"no change of client {client} is stored")
    for change in found["changes"]:
        _print(change, complete=client is None)
    if found["before"] is not None:
        say(f"older changes: --before {found['before']}", err=True)


def _print(change: dict[str, Any], *, complete: bool) -> None:
    say(f"{show_time(milliseconds(change['at']) or 0)}  revision {change['revision'][:12]}")
    number = change["added"] + change["removed"] + change["changed"]
    if change["first"]:
        say(f"  the first configuration: {change['added']} resources")
    elif not number:
        say(f"  {_HIDDEN}")
    for resource in change["resources"]:
        say(f"  {_SIGNS[resource['action']]} {resource['name']}")
        for field in resource["fields"]:
            say(f"      {field['path']}: {_how(field)}")
        if resource["moreFields"]:
            say(f"      {resource['moreFields']} more fields")
    rest = number - len(change["resources"])
    if complete and rest > 0 and not change["first"]:
        say(
            f"  {rest} more resources; in all {change['added']} added, {change['removed']} removed,"
            f" {change['changed']} changed"
        )


_SIGNS = {"added": "+", "removed": "-", "changed": "~"}


def _how(field: dict[str, Any]) -> str:
    if field["hidden"]:
        return "changed"
    before, after = ("none" if value is None else value for value in (field["old"], field["new"]))
    return f"{before} -> {after}"
