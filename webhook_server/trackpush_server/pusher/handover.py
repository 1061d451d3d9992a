"""Hands slots over to other replicas: each as soon as nothing is under way for it and its outcomes are on disk.

A slot that is lost or gained meanwhile is no longer handed over: another's release would take it from channels that
have started again.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Protocol

from trackpush_runtime.background import end
from trackpush_server.journal.model import JournalUnavailableError
from trackpush_server.journal.ports import PushQueue
from trackpush_server.journal.slots import Ownership


class Busy(Protocol):
    """What a hand-over needs to know of a channel."""

    slot: int

    @property
    def is_idle(self) -> bool:
        """Whether no attempt is under way."""
        ...


class HandOvers:
    """All hand-overs of one dispatcher; lives on its event loop."""

    def __init__(self, ownership: Ownership, journal: PushQueue, channels: Callable[[], Iterable[Busy]]) -> None:
        self._ownership = ownership
        self._journal = journal
        self._channels = channels
        self._leaving: set[int] = set()
        self._attempt_ended = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def begin(self, slots: frozenset[int]) -> None:
        """Release these, whose channels start nothing more."""
        self._leaving |= slots
        self._attempt_ended.set()
        if self._task is None and self._leaving:
            self._task = asyncio.get_running_loop().create_task(self._run())

    def forget(self, slots: frozenset[int]) -> None:
        """These are lost, or acquired again."""
        self._leaving -= slots

    def attempt_ended(self) -> None:
        """Look again: a channel may have become idle."""
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
            pass  # it is closed: the server ends
        finally:
            self._task = None
