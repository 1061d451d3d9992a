"""The shapes of findings. The command line uses them, too, so this module imports nothing of the server."""

from typing import Literal

import msgspec


class StatusFinding(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One problem or warning."""

    severity: Literal["error", "warning"] = "error"
    kind: str
    name: str
    """``namespace/name``; of an aggregator, its name."""
    condition: str
    reason: str
    since: str | None = None
    """Start of the problem, RFC 3339."""
    message: str


class QueueStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The pending and dead pushes of one PushConfig."""

    push_config: str
    pending: int
    oldest_seconds: float | None = None
    dead: int = 0


class AccountStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The last update of one account."""

    name: str
    state: str
    """``receiving``, ``silent``, ``waiting`` (no update has arrived yet), ``unwatched`` (expectEvery is not set) or
    ``unknown``."""
    last_update_at: str | None = None
    """RFC 3339."""
    expect_every_seconds: float | None = None


class ServerFindings(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What is wrong with one server now, errors first, and the PushConfigs with pending or dead pushes."""

    server: str | None
    """``namespace/name``; null if no configuration is loaded."""
    clients: int | None
    """Number of PushConfigs that it serves."""
    findings: tuple[StatusFinding, ...]
    queues: tuple[QueueStatus, ...]
    """The longest wait first."""
    accounts: tuple[AccountStatus, ...] = ()
    """Silent accounts first, then those whose last update is oldest."""
