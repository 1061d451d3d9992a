"""Decides whether the server is alive and whether it is ready, with reasons. Pure.

These are different on purpose: a full disk makes the server unready, and restarting it would not help.
"""

import msgspec


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """The values that decide about the server's health."""

    table_loaded: bool
    journal_alive: bool
    journal_unavailable: str | None
    draining: bool
    accepting: bool = True
    """Whether a process accepts requests."""
    missing: str | None = None
    """What the journal has lost of the data stored before."""


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the server can take requests, and its problems."""

    reasons: tuple[str, ...] = ()
    """Reasons to send no requests to this server; empty if it is ready."""
    warnings: tuple[str, ...] = ()
    """Problems of a ready server."""


def readiness(health: Health, unproven: str | None) -> Readiness:
    """Decide from the server's health; ``unproven`` says why the journal can't store, if a proof failed."""
    doubts = () if unproven is None else (f"the journal can't store: {unproven}",)
    return Readiness(reasons=(*why_unready(health), *doubts), warnings=tuple(warnings(health)))


def why_dead(health: Health) -> list[str]:
    """Reasons to restart the server; empty if it is alive."""
    if health.journal_alive or health.draining:
        return []
    return ["the journal's writer thread has ended: nothing can be stored until a restart"]


def why_unready(health: Health) -> list[str]:
    """Reasons to send no requests to this server; empty if it is ready."""
    reasons = []
    if health.draining:
        reasons.append("the server is stopping")
    elif not health.accepting:
        reasons.append("no process accepts requests; the log has the reason")
    if not health.table_loaded:
        reasons.append("no routing table is loaded")
    if health.journal_unavailable is not None:
        reasons.append(f"the journal can't store: {health.journal_unavailable}")
    return reasons


def warnings(health: Health) -> list[str]:
    """Problems of a ready server."""
    return [] if health.missing is None else [f"the journal has lost stored data: {health.missing}"]
