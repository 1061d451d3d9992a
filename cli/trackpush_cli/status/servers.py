"""Reads a running server's state from its admin port, as findings and figures."""

from typing import Any, Final

import msgspec

from trackpush_cli.admin_port import AdminClient, other_form
from trackpush_cli.errors import CommandError, ProblemsFoundError
from trackpush_server.admin.finding import AccountStatus, QueueStatus, ServerFindings, StatusFinding

_PATH: Final = "/api/v1/findings"
_OLDER = (
    "it is older than this command and doesn't report its findings: use the trackpush of its version, or upgrade it"
)


class ServerState(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The state of one server."""

    name: str
    """``namespace/name``, or the address of the admin port if no cluster is used."""
    pods: int | None = None
    """Number of running pods; None if no cluster is used."""
    ready_pods: int | None = None
    answered: bool = True
    clients: int | None = None
    """Number of PushConfigs that it serves."""
    queues: tuple[QueueStatus, ...] = ()
    accounts: tuple[AccountStatus, ...] = ()


class ServerReport(msgspec.Struct, frozen=True):
    """A server with its problems and those of its endpoints."""

    state: ServerState
    findings: tuple[StatusFinding, ...] = ()


def ask(port: AdminClient, name: str | None = None) -> ServerReport:
    """Ask one pod, or the server on this machine, for its state. ``name`` is the server's name in findings."""
    try:
        answer = port.find("GET", _PATH)
        found = None if answer is None else _read(port, answer)
    except (CommandError, ProblemsFoundError) as error:
        return _unanswered(name or port.name, "NoAnswer", error.message)
    if found is None:
        return _unanswered(name or port.name, "Older", _OLDER)
    return _report(found, name or found.server or port.name)


def _read(port: AdminClient, answer: Any) -> ServerFindings:
    try:
        return msgspec.convert(answer, ServerFindings)
    except msgspec.ValidationError as error:
        raise other_form(f"{port.name}{_PATH}", str(error)) from error


def _report(found: ServerFindings, name: str) -> ServerReport:
    findings = tuple(_named(finding, name) for finding in found.findings)
    return ServerReport(
        ServerState(name=name, clients=found.clients, queues=found.queues, accounts=found.accounts), findings
    )


def _named(finding: StatusFinding, server: str) -> StatusFinding:
    """A server without a configuration doesn't know its name; the caller does."""
    return msgspec.structs.replace(finding, name=server) if finding.kind == "WebhookServer" else finding


def _unanswered(name: str, reason: str, message: str) -> ServerReport:
    finding = StatusFinding(kind="WebhookServer", name=name, condition="Answering", reason=reason, message=message)
    return ServerReport(ServerState(name=name, answered=False), (finding,))
