"""Checks the server by its admin port: turns the findings of `trackpush status` into check results."""

from collections.abc import Iterable, Iterator, Sequence

from trackpush_cli.admin_port import AdminClient
from trackpush_cli.doctor.outcome import CheckResult, fail, ok, warn
from trackpush_cli.status import servers
from trackpush_cli.status.servers import ServerState
from trackpush_server.admin.finding import StatusFinding


def examine(port: AdminClient, name: str) -> Iterator[CheckResult]:
    """Check that the server answers, its problems, and its failing endpoints."""
    answer = servers.ask(port, name)
    yield from of_state((answer.state,), answer.findings)


def of_state(states: Iterable[ServerState], findings: Sequence[StatusFinding]) -> Iterator[CheckResult]:
    wrong = {finding.name for finding in findings}
    for state in states:
        if state.answered and state.name not in wrong:
            yield ok("server", state.name, "answers, is ready, and serves the current configuration")
    for finding in findings:
        make = warn if finding.severity == "warning" else fail
        advice = (
            "see docs/failing-endpoints.md" if finding.condition == "Delivering" else "see docs/operator.md, conditions"
        )
        yield make(
            "server",
            f"{finding.kind} {finding.name}",
            f"{finding.condition} {finding.reason}: {finding.message}",
            advice,
        )
