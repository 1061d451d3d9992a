"""The demo's introduction: addresses, and commands to paste."""

import os
import shlex
import shutil
import sys
from pathlib import Path

from trackpush_api.routing import RoutingTable
from trackpush_api.vocabulary import slug_of
from trackpush_cli.demo.server import ServerProcess


def program() -> str:
    """How to start this program in the user's shell: `trackpush`, or its path if it is not on PATH."""
    started = Path(sys.argv[0])
    found = shutil.which("trackpush")
    if found is not None and (started.name != "trackpush" or Path(found).resolve() == started.resolve()):
        return "trackpush"
    if started.name == "trackpush" and started.exists():
        return shlex.quote(os.path.relpath(started) if started.is_relative_to(Path.cwd()) else str(started))
    return f"{shlex.quote(sys.executable)} -m trackpush_cli"


def hints(server: ServerProcess, table: RoutingTable, keys: dict[str, str], root: Path, *, once: bool) -> list[str]:
    """The lines of the introduction.

    With ``once`` only the addresses, because the run ends before anybody can paste a command.
    """
    name = program()
    account = table.accounts[0]
    aggregator = slug_of(account.aggregator)
    lines = [
        f"server   {server.url} (aggregators), {server.admin_url}/metrics (admin)",
        f"files    {root} (resources/, data/, server.log)",
    ]
    lines += [f"client   {each.name} at {each.url}" for each in table.destinations]
    if not once:
        key = shlex.quote(keys[account.name])
        lines += [
            "",
            "Try in another terminal:",
            f"  {name} send --url {server.url} --aggregator {aggregator} --status OUT_FOR_DELIVERY --key {key}",
            f"  {name} pushes list --data {shlex.quote(str(root / 'data'))} --since 5m",
            f"  curl -s {server.admin_url}/metrics | grep ^trackpush_",
            f"  edit a file in {shlex.quote(str(root / 'resources'))}: it takes effect within a second",
            "Ctrl-C ends it.",
        ]
    return [*lines, ""]
