"""The command."""

import click
import msgspec

from trackpush_cli.errors import PROBLEMS
from trackpush_cli.output import output_option, print_data
from trackpush_cli.server_options import ServerChoice, server_options
from trackpush_cli.status import servers, view
from trackpush_cli.status.servers import ServerState
from trackpush_server.admin.finding import StatusFinding


@click.command(
    "status", epilog="Exit code: 0 if there is no problem; 1 if there is one; 2 if no server could be asked."
)
@server_options
@output_option
def command(*, server: ServerChoice, output: str) -> int:
    """List current problems: servers, resources, failing endpoints, pending and dead pushes.

    In a cluster: everything that you may read; with -n, one namespace and the servers that it uses.
    """
    states, findings = _look(server)
    failed = any(finding.severity == "error" for finding in findings)
    if output == "table":
        view.show(states, findings)
    else:
        print_data(
            {"ok": not failed, "servers": msgspec.to_builtins(states), "findings": msgspec.to_builtins(findings)},
            output,
        )
    return PROBLEMS if failed else 0


def _look(choice: ServerChoice) -> tuple[tuple[ServerState, ...], tuple[StatusFinding, ...]]:
    if choice.is_in_a_cluster:
        from trackpush_cli.status import cluster  # noqa: PLC0415  slow to import

        found = cluster.look(choice.cluster(), choice)
        return found.servers, found.findings
    port = choice.open()
    port.ask("GET", "/config")  # if nothing answers, or the token is wrong: exit code 2 and no finding
    answer = servers.ask(port)
    return (answer.state,), answer.findings
