"""Retention: deletes old data in small steps with pauses, so that ingest isn't slowed down.

One round visits all updates, oldest first. Between rounds it visits only updates that have become old enough since; a
whole round every ten minutes finds what was passed over (pending then, or dead and kept for longer).
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Protocol

import structlog

from trackpush_api.routing import Retention
from trackpush_runtime.background import Background
from trackpush_server.journal.model import JournalUnavailableError, RetentionCutoffs, Trimmed
from trackpush_server.journal.ports import RetentionStore

_STEP_SECONDS = 0.002
"""How long one step may keep the writer."""
_SHARE = 0.15
"""Of its time that the writer may spend on this."""
_LEAST, _MOST = 20, 2000
"""Updates looked at in one step."""
_IDLE = 1.0
_INBOX_EVERY = 60.0
_INBOX_LIMIT = 100
"""Unrecognised bodies deleted in one step; they may be large."""
_WHOLE_ROUND = 600.0
_AFTER_FAULT = 10.0
_LARGE = 100_000
"""A round that deletes more is logged."""

_log = structlog.get_logger("trackpush.retention")


class Observer(Protocol):
    """Told of each step."""

    def trimmed(self, trimmed: Trimmed) -> None: ...


class Retainer(Background):
    """One server's retention. `configure` it before and whenever it changes, `start` and `stop` it."""

    def __init__(self, store: RetentionStore, observer: Observer, wall: Callable[[], float] = time.time) -> None:
        self._store = store
        self._observer = observer
        self._wall = wall
        self._retention: Retention | None = None
        self._limit = _LEAST
        self._frontier = 0
        self._round_at = 0.0
        self._inbox_at = 0.0
        """When to look for old unrecognised bodies again."""
        self._deleted = 0
        self._changed = asyncio.Event()

    def configure(self, retention: Retention) -> None:
        """Set the retention times."""
        if retention != self._retention:
            self._retention = retention
            self._round_at = self._inbox_at = 0.0
            self._changed.set()

    async def _run(self) -> None:
        while True:
            try:
                pause = await self._step()
            except JournalUnavailableError:
                pause = _AFTER_FAULT
            except Exception:  # noqa: BLE001  it is logged; retention ends only with the server
                _log.exception("retention_failed", next_in=_AFTER_FAULT)
                pause = _AFTER_FAULT
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._changed.wait()

    async def _step(self) -> float:
        """One step; the seconds until the next."""
        retention, now = self._retention, asyncio.get_running_loop().time()
        if retention is None:
            return _IDLE
        if now >= self._round_at:
            self._round_at, self._frontier = now + _WHOLE_ROUND, 0
        wall = self._wall()
        keep = RetentionCutoffs(
            delivered_since=int((wall - retention.delivered) * 1000), dead_since=int((wall - retention.dead) * 1000)
        )
        await self._expire_inbox(wall, retention.unrecognised, now)
        trimmed = await self._store.trim(keep, after=self._frontier, limit=self._limit)
        self._observer.trimmed(trimmed)
        self._deleted += trimmed.updates
        self._adapt(trimmed.seconds)
        if trimmed.next_after is None:
            if self._deleted >= _LARGE:
                _log.info("retention_caught_up", updates=self._deleted)
            self._deleted = 0
            return _IDLE
        self._frontier = trimmed.next_after
        return max(trimmed.seconds / _SHARE, 0.001)

    async def _expire_inbox(self, wall: float, seconds: float, now: float) -> None:
        """Delete old unrecognised bodies, at intervals."""
        if now < self._inbox_at:
            return
        before = int((wall - seconds) * 1000)
        if await self._store.expire_unrecognised(received_before=before, limit=_INBOX_LIMIT) < _INBOX_LIMIT:
            self._inbox_at = now + _INBOX_EVERY

    def _adapt(self, seconds: float) -> None:
        if seconds > _STEP_SECONDS:
            self._limit = max(self._limit // 2, _LEAST)
        else:
            self._limit = min(self._limit + self._limit // 4 + 1, _MOST)
