"""Reads a running server's state from its admin port, as findings and figures."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

import msgspec

from trackpush_cli.admin_port import AdminClient
from trackpush_cli.errors import CommandError, ProblemsFoundError
from trackpush_cli.status.findings import StatusFinding

_PAGE: Final = 1000
_REFUSALS: Final = 20
"""In a row: from so many on, an account is reported, as in the status of its AggregatorWebhook."""


class QueueStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The pending and dead pushes of one PushConfig."""

    push_config: str
    pending: int
    oldest_seconds: float | None = None
    dead: int = 0


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


class ServerReport(msgspec.Struct, frozen=True):
    """A server with its problems and those of its endpoints."""

    state: ServerState
    findings: tuple[StatusFinding, ...] = ()


def ask(port: AdminClient, name: str | None = None) -> ServerReport:
    """Ask one pod, or the server on this machine, for its state."""
    try:
        return _answer(port, name)
    except (CommandError, ProblemsFoundError) as error:
        shown = name or port.name
        finding = StatusFinding(
            kind="WebhookServer", name=shown, condition="Answering", reason="NoAnswer", message=error.message
        )
        return ServerReport(ServerState(name=shown, answered=False), (finding,))


def _answer(port: AdminClient, name: str | None) -> ServerReport:
    config = port.ask("GET", "/config")
    shown = name or str(config.get("server") or port.name)
    ready = port.ask("GET", "/readyz")
    findings = [_server(shown, "Ready", "NotReady", reason) for reason in ready.get("reasons", ())]
    findings += [_server(shown, "Complete", "JournalIncomplete", text) for text in ready.get("warnings", ())]
    findings += [_server(shown, "Programmed", "BrokenConfig", text) for text in config.get("problems", ())]
    findings += [
        msgspec.structs.replace(_server(shown, "Programmed", "ConfigWarning", text), severity="warning")
        for text in config.get("warnings", ())
    ]
    undelivered = port.ask("GET", "/undelivered")
    findings += [_endpoint(endpoint) for endpoint in undelivered["pushConfigs"]]
    findings += [
        _refused(account) for account in undelivered.get("refusedAccounts", ()) if account["inARow"] >= _REFUSALS
    ]
    findings += unrecognised(port)
    rows = tuple(_push_configs(port))
    findings += [_gone(row) for row in rows if row["state"] == "missing" and row["pending"]]
    state = ServerState(name=shown, clients=config.get("push_configs"), queues=_queues(rows))
    return ServerReport(state, tuple(findings))


def _queues(push_configs: Iterable[dict[str, Any]]) -> tuple[QueueStatus, ...]:
    """PushConfigs with pending or dead pushes, the longest wait first."""
    rows = [_queue(push_config) for push_config in push_configs]
    waiting = [row for row in rows if row.pending or row.dead]
    return tuple(sorted(waiting, key=lambda queue: (-(queue.oldest_seconds or 0), -queue.dead, queue.push_config)))


def unrecognised(port: AdminClient) -> Iterator[StatusFinding]:
    """Accounts with bodies in the inbox; none from an older server."""
    page = port.find("GET", "/api/v1/inbox?limit=1") or {}
    for account in page.get("accounts", ()):
        bodies = "1 body names" if account["bodies"] == 1 else f"{account['bodies']} bodies name"
        yield StatusFinding(
            severity="warning",
            kind="AggregatorWebhook",
            name=account["account"],
            condition="Recognised",
            reason="Unrecognised",
            since=account["oldestReceivedAt"],
            message=f"{bodies} no shipment: trackpush inbox list --account {account['account']}",
        )


def _push_configs(port: AdminClient) -> Iterator[dict[str, Any]]:
    after = ""
    while True:
        page = port.find("GET", f"/api/v1/push-configs?limit={_PAGE}&after={quote(after, safe='')}")
        if page is None:  # an older server
            return
        yield from page["pushConfigs"]
        after = page["after"] or ""
        if not after:
            return


def _queue(push_config: dict[str, Any]) -> QueueStatus:
    return QueueStatus(
        push_config=push_config["name"],
        pending=push_config["pending"],
        oldest_seconds=push_config["queueAgeSeconds"] if push_config["pending"] else None,
        dead=push_config["dead"],
    )


def _gone(row: dict[str, Any]) -> StatusFinding:
    message = (
        f"no PushConfig of this name is configured, and {row['pending']} pushes wait for it; restore it, or drop"
        " them: trackpush pushes drop --without-push-config"
    )
    return StatusFinding(kind="PushConfig", name=row["name"], condition="Accepted", reason="Missing", message=message)


def _server(name: str, condition: str, reason: str, message: str) -> StatusFinding:
    return StatusFinding(kind="WebhookServer", name=name, condition=condition, reason=reason, message=message)


def _refused(account: dict[str, Any]) -> StatusFinding:
    return StatusFinding(
        kind="AggregatorWebhook",
        name=account["name"],
        condition="Receiving",
        reason="SenderRefused",
        message=f"the last {account['inARow']} requests of its sender were not answered with 2xx",
    )


def _endpoint(endpoint: dict[str, Any]) -> StatusFinding:
    since = datetime.fromtimestamp(endpoint["since"], UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return StatusFinding(
        kind="PushConfig",
        name=endpoint["name"],
        condition="Delivering",
        reason=endpoint["reason"],
        since=since,
        message=endpoint["message"],
    )
