"""Decides which replica sends a PushConfig's pushes: the port, and its implementation for a single process.

docs/storage.md, "Leases and fencing", describes the leases.
Only the replica that holds a PushConfig's slot keeps its lanes, rate limit, breaker and token. The dispatcher checks
ownership right before it writes the bytes of each attempt. So a process that was paused sends nothing after it
resumes, if its lease expired meanwhile.
"""

import zlib
from collections.abc import Callable
from typing import Final, Protocol

import msgspec

SLOTS: Final = 128
"""Number of slots that the replicas divide among them. A PushConfig's slot never changes."""


def slot_of(push_config: str) -> int:
    """The slot of a PushConfig (``namespace/name``): CRC-32 of its name. The database stores it with the name."""
    return zlib.crc32(push_config.encode()) % SLOTS


def _ignore(_: frozenset[int]) -> None:
    return


class SlotListener(msgspec.Struct, frozen=True, kw_only=True):
    """Callbacks for changes of the slots that this process holds; all run on the event loop."""

    on_gained: Callable[[frozenset[int]], None] = _ignore
    """This process holds these slots from now on: their channels scan the journal."""
    on_lost: Callable[[frozenset[int]], None] = _ignore
    """Another process holds these slots, or may hold them: attempts in flight are aborted."""
    on_wanted: Callable[[frozenset[int]], None] = _ignore
    """Hand these slots over: start no attempts, and `Ownership.release` them when all outcomes are stored."""


class Ownership(Protocol):
    """The port. Methods run on the event loop and don't block it."""

    alone: bool
    """True if no other process stores updates or sends pushes."""

    def subscribe(self, listener: SlotListener) -> None:
        """Call this listener from now on, instead of an earlier one. Call this before `start`."""
        ...

    def holds(self, push_config: str) -> bool:
        """Whether this process may send pushes of this PushConfig now, by its own monotonic clock."""
        ...

    def owner_of(self, push_config: str) -> str | None:
        """Name of the other process that sends pushes of this PushConfig; None if it is this one, or unknown."""
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

    def subscribe(self, listener: SlotListener) -> None:
        """Nothing to do: the slots never change."""

    def holds(self, push_config: str) -> bool:
        del push_config
        return True

    def owner_of(self, push_config: str) -> str | None:
        del push_config
        return None

    async def start(self) -> None:
        """Nothing to do."""

    async def release(self, slots: frozenset[int]) -> None:
        """Nothing to do."""

    def drain(self) -> None:
        """Nothing to do."""

    async def stop(self) -> None:
        """Nothing to do."""
