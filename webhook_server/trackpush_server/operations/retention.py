"""Retention: deletes old data in small steps with pauses, so that it doesn't slow down new updates.

A full round visits all updates, oldest first. Between full rounds, retention visits only updates that have meanwhile
become old enough. A full round every ten minutes finds updates that were skipped because a push was pending, or dead
and kept for longer.
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
from trackpush_server.journal.portal_changes import LONGEST_WAIT
from trackpush_server.journal.ports import PortalChangeStore, RetentionStore

_STEP_SECONDS = 0.002
"""Maximum seconds for which one step occupies the writer."""
_SHARE = 0.15
"""Maximum part of the writer's time that retention uses."""
_LEAST, _MOST = 20, 2000
"""Minimum and maximum number of updates that one step examines."""
_IDLE = 1.0
_INBOX_EVERY = 60.0
_CHANGES_EVERY = 300.0
_INBOX_LIMIT = 100
"""Maximum unrecognised bodies that one step deletes; they may be large."""
_LINKS_EVERY = 600.0
_LINKS_LIMIT = 100
LINKS_KEPT_SECONDS = 30 * 86400
"""How long an expired link to the portal is still listed."""
_WHOLE_ROUND = 600.0
_AFTER_FAULT = 10.0
_LARGE = 100_000
"""A round that deletes more updates than this is logged."""

_log = structlog.get_logger("trackpush.retention")


class Observer(Protocol):
    """Called after each step."""

    def trimmed(self, trimmed: Trimmed) -> None: ...


class Retainer(Background):
    """The retention of one server. Call `configure` before `start` and after each change, and `stop` at the end."""

    def __init__(
        self,
        store: RetentionStore,
        changes: PortalChangeStore,
        observer: Observer,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._changes = changes
        self._changes_at = 0.0
        """Time of the next search for changes of the portal that wait for too long."""
        self._observer = observer
        self._wall = wall
        self._retention: Retention | None = None
        self._limit = _LEAST
        self._frontier = 0
        self._round_at = 0.0
        self._inbox_at = 0.0
        """Time of the next search for old unrecognised bodies."""
        self._links_at = 0.0
        """Time of the next search for old links to the portal."""
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
        """Do one step; return the seconds until the next one."""
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
        await self._expire_links(wall, now)
        await self._expire_changes(wall, now)
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

    async def _expire_links(self, wall: float, now: float) -> None:
        """Delete links to the portal that expired long ago, at intervals."""
        if now < self._links_at:
            return
        before = int((wall - LINKS_KEPT_SECONDS) * 1000)
        if await self._store.expire_portal_links(expired_before=before, limit=_LINKS_LIMIT) < _LINKS_LIMIT:
            self._links_at = now + _LINKS_EVERY

    async def _expire_changes(self, wall: float, now: float) -> None:
        """Refuse changes of the portal that nobody applied, so that their credentials are deleted; at intervals."""
        if now >= self._changes_at:
            self._changes_at = now + _CHANGES_EVERY
            at = int(wall * 1000)
            await self._changes.expire(before=at - LONGEST_WAIT, now=at)

    def _adapt(self, seconds: float) -> None:
        if seconds > _STEP_SECONDS:
            self._limit = max(self._limit // 2, _LEAST)
        else:
            self._limit = min(self._limit + self._limit // 4 + 1, _MOST)
