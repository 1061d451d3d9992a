"""Decides which replica sends a PushConfig's pushes: the port, and its implementation for a single process.

docs/storage.md, "Leases and fencing", describes the leases.
Only the replica that holds a PushConfig's slot keeps its lanes, rate limit, breaker and token. The dispatcher checks
ownership right before it writes the bytes of each attempt. So a process that was paused sends nothing after it
resumes, if its lease expired meanwhile.
"""

import zlib
from collections.abc import Callable
from typing import Final, Protocol

SLOTS: Final = 128
"""Number of slots that the replicas divide among them. A PushConfig's slot never changes."""


def slot_of(push_config: str) -> int:
    """The slot of a PushConfig (``namespace/name``): CRC-32 of its name. The database stores it with the name."""
    return zlib.crc32(push_config.encode()) % SLOTS


class Ownership(Protocol):
    """The port. Methods run on the event loop and don't block it."""

    alone: bool
    """True if no other process stores updates or sends pushes."""
    on_gained: Callable[[frozenset[int]], None]
    """Called on the loop with slots that this process holds from now on: their channels scan the journal.

    Set the callbacks before `start`."""
    on_lost: Callable[[frozenset[int]], None]
    """Called on the loop with slots that another process holds, or may hold: attempts in flight are aborted."""
    on_wanted: Callable[[frozenset[int]], None]
    """Called on the loop with slots to hand over: start no attempts, `release` them when all outcomes are stored."""

    def holds(self, push_config: str) -> bool:
        """Whether this process may send pushes of this PushConfig now, by its own monotonic clock."""
        ...

    async def start(self) -> None:
        """Start to acquire slots, in the background."""
        ...

    async def release(self, slots: frozenset[int]) -> None:
        """Release slots that have no attempt in flight and whose outcomes are stored."""
        ...

    def drain(self) -> None:
        """Acquire no more slots, and request the handover of all: the process is about to end."""
        ...

    async def stop(self) -> None:
        """Release all slots; other replicas can acquire them at once."""
        ...


class SingleOwner:
    """Ownership for a journal with one process, which always owns all slots."""

    alone = True

    def __init__(self) -> None:
        self.on_gained: Callable[[frozenset[int]], None] = _ignore
        self.on_lost: Callable[[frozenset[int]], None] = _ignore
        self.on_wanted: Callable[[frozenset[int]], None] = _ignore

    def holds(self, push_config: str) -> bool:
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
