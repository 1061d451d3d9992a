"""Hands slots over to other replicas: releases each slot when its channels are idle and their outcomes are on disk.

If this server loses or regains a slot during a hand-over, the hand-over of this slot is cancelled. Otherwise it would
release a slot whose channels send again.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Protocol

from trackpush_runtime.background import end
from trackpush_server.journal.model import JournalUnavailableError
from trackpush_server.journal.ports import PushQueue
from trackpush_server.journal.slots import Ownership


class Busy(Protocol):
    """The part of the channel that a hand-over uses."""

    slot: int

    @property
    def is_idle(self) -> bool:
        """Whether no attempt is in flight."""
        ...


class HandOvers:
    """All hand-overs of one dispatcher, on its event loop."""

    def __init__(self, ownership: Ownership, journal: PushQueue, channels: Callable[[], Iterable[Busy]]) -> None:
        self._ownership = ownership
        self._journal = journal
        self._channels = channels
        self._leaving: set[int] = set()
        self._attempt_ended = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def begin(self, slots: frozenset[int]) -> None:
        """Release these slots when their attempts have ended.

        Their channels must already have stopped starting attempts.
        """
        self._leaving |= slots
        self._attempt_ended.set()
        if self._task is None and self._leaving:
            self._task = asyncio.get_running_loop().create_task(self._run())

    def forget(self, slots: frozenset[int]) -> None:
        """Cancel the hand-over of these slots, because this server lost or regained them."""
        self._leaving -= slots

    def attempt_ended(self) -> None:
        """Check again: a channel may have become idle."""
        self._attempt_ended.set()

    async def stop(self) -> None:
        """Cancel the hand-overs. The caller releases the remaining slots."""
        await end(self._task)

    async def _run(self) -> None:
        try:
            while self._leaving:
                self._attempt_ended.clear()
                idle = self._leaving - {channel.slot for channel in self._channels() if not channel.is_idle}
                if idle:
                    await self._journal.flush()
                    idle &= self._leaving
                    self._leaving -= idle
                    await self._ownership.release(frozenset(idle))
                else:
                    await self._attempt_ended.wait()
        except JournalUnavailableError:
            pass  # the journal is closed, because the server is shutting down
        finally:
            self._task = None
