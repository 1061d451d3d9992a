"""Which replica sends a PushConfig's pushes: the port, and who owns everything. docs/storage.md, "Leases and fencing".

A PushConfig's lanes, rate limit, breaker and token live in one replica at a time: the one that holds its slot. What
may be sent is asked right before the bytes of each attempt are written, so a process that was paused sends nothing
when it wakes up and its lease has passed to another.
"""

import zlib
from collections.abc import Callable
from typing import Final, Protocol

SLOTS: Final = 128
"""Number of slots that replicas share; a PushConfig never changes its slot."""


def slot_of(push_config: str) -> int:
    """The slot of a PushConfig (``namespace/name``): CRC-32 of its name; the database keeps it beside the name."""
    return zlib.crc32(push_config.encode()) % SLOTS


class Ownership(Protocol):
    """The port. Methods are called on the event loop and don't block it."""

    alone: bool
    """Whether no other process stores updates or sends pushes."""
    on_gained: Callable[[frozenset[int]], None]
    """Set before `start`. Called on the loop with slots that are held from now on: their channels scan the journal."""
    on_lost: Callable[[frozenset[int]], None]
    """Called on the loop with slots that are another's from now on, or may be: attempts under way are cut."""
    on_wanted: Callable[[frozenset[int]], None]
    """Called on the loop with slots to hand over: start nothing more, `release` them when all outcomes are stored."""

    def holds(self, push_config: str) -> bool:
        """Whether this process may send pushes of this PushConfig now, by its own monotonic clock."""
        ...

    async def start(self) -> None:
        """Begin to take part."""
        ...

    async def release(self, slots: frozenset[int]) -> None:
        """Let go of slots for which nothing is under way and whose outcomes are stored."""
        ...

    def drain(self) -> None:
        """Take nothing more, and want everything handed over: the process is about to end."""
        ...

    async def stop(self) -> None:
        """Let go of everything; others take over at once."""
        ...


class SingleOwner:
    """Ownership for a journal with one process: it owns everything, always."""

    alone = True

    def __init__(self) -> None:
        self.on_gained: Callable[[frozenset[int]], None] = _ignore
        self.on_lost: Callable[[frozenset[int]], None] = _ignore
        self.on_wanted: Callable[[frozenset[int]], None] = _ignore

    def holds(self, push_config: str) -> bool:
        """Always."""
        del push_config
        return True

    async def start(self) -> None:
        """Nothing to do."""

    async def release(self, slots: frozenset[int]) -> None:
        """Nothing to do."""

    def drain(self) -> None:
        """Nothing to do."""

    async def stop(self) -> None:
        """Nothing to do."""


def _ignore(_: frozenset[int]) -> None:
    return
