"""Whether the server lives and whether it is ready, with reasons. Pure.

Live and ready differ on purpose: a full disk makes the server unready, and restarting it would not help.
"""

import msgspec


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """The present state of the server."""

    table_loaded: bool
    journal_alive: bool
    journal_unavailable: str | None
    draining: bool
    accepting: bool = True
    """Somebody takes requests."""
    missing: str | None = None
    """What the journal lacks of what was stored before."""


def why_dead(health: Health) -> list[str]:
    """Reasons for a restart; empty without any."""
    if health.journal_alive or health.draining:
        return []
    return ["the journal's writer thread has ended: nothing can be stored until a restart"]


def why_unready(health: Health) -> list[str]:
    """Reasons to send no requests here; empty if the server is ready."""
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
