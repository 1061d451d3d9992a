"""Reads what other replicas stored, replayed or erased: after each NOTIFY, and once per second.

A notification has no content; it only causes a read. So a lost, duplicate or late notification is harmless, and behind
a transaction pooler, which forwards none, the polling is enough.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Any

import structlog

from trackpush_runtime.background import end
from trackpush_server.journal.listener import JournalListeners
from trackpush_server.journal.named_sql import load
from trackpush_server.journal.postgres.errors import BROKEN, cause
from trackpush_server.journal.postgres.history import History
from trackpush_server.journal.postgres.session import Connector, Session

POLL_SECONDS = 1.0
_AFTER_FAULT = 1.0
_MOST_REST = 0.01
"""After a read that found something, the next one waits as long as that read took, at most this many seconds. Then
fewer reads cover many commits of busy replicas."""
_SQL = load(f"{__package__}.sql", "change_feed")
_EVERYBODY = "trackpush"

_log = structlog.get_logger("trackpush.journal")


class ChangeFeed:
    """The change feed of one replica. Call `start`, and `stop` at the end."""

    def __init__(
        self,
        connector: Connector,
        replica: int,
        history: History,
        listeners: JournalListeners,
        *,
        on_other_history: Callable[[], None],
    ) -> None:
        """Create the feed.

        Args:
            connector: opens its connection.
            replica: this process's number in ``trackpush.replicas``.
            history: what this process knows of the database's history.
            listeners: receive the changes of other replicas.
            on_other_history: called when the connection breaks, when it is reopened, and when the database has another
                history than the writer knows.
        """
        self._connector = connector
        self._history = history
        self._replica = replica
        self._seen: tuple[int, int] | None = None
        """The highest update id and the highest id of news that were read."""
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._listeners = listeners
        self._on_other_history = on_other_history

    async def start(self) -> None:
        """Start the feed. After it returns, changes by others are reported, if the database is reachable."""
        begun = asyncio.Event()
        self._task = asyncio.get_running_loop().create_task(self._run(begun))
        await begun.wait()

    def restart(self) -> None:
        """Reset the position, after the database lost commits. The dispatcher reads everything again."""
        self._seen = None

    async def stop(self) -> None:
        await end(self._task)

    async def _run(self, begun: asyncio.Event) -> None:
        while True:
            session = None
            try:
                session = await self._connector.connect()
                if begun.is_set():
                    # The database may have been replaced while nobody was connected. An idle writer would not notice.
                    self._on_other_history()
                await self._listen(session)
                await self._begin(session)
                begun.set()
                await self._look_on(session)
            except BROKEN as error:
                _log.debug("journal_news_interrupted", cause=cause(error))
            except Exception:  # noqa: BLE001  it is logged; the loop ends only with the server
                _log.exception("journal_news_failed")
            finally:
                begun.set()
                if session is not None:
                    session.terminate()
            self._on_other_history()
            await asyncio.sleep(_AFTER_FAULT)

    async def _listen(self, session: Session) -> None:
        if not session.pooled:
            for channel in (_EVERYBODY, f"{_EVERYBODY}_{self._replica}"):
                await session.connection.add_listener(channel, self._wake)

    def _wake(self, *_: object) -> None:
        self._woken.set()

    async def _begin(self, session: Session) -> None:
        """Set the position, unless there is one: after an interruption, the feed continues where it was."""
        if self._seen is None:
            row = await session.row(_SQL["start"])
            self._check(row)
            self._seen = row["last_id"], row["last_news"]

    async def _look_on(self, session: Session) -> None:
        while True:
            self._woken.clear()
            begun = time.perf_counter()
            if self._seen is None:
                await self._begin(session)
            if await self._look(session):
                await asyncio.sleep(min(time.perf_counter() - begun, _MOST_REST))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await self._woken.wait()

    async def _look(self, session: Session) -> bool:
        """Read and announce changes; returns whether others stored pushes for this replica."""
        assert self._seen is not None
        last_id, last_news = self._seen
        stored = await session.fetch(_SQL["stored"], last_id, self._replica)
        self._check(stored[0])
        done = await session.fetch(_SQL["done"], last_news) if stored[0]["last_news"] > last_news else []
        if self._seen is None:  # `restart` was called during the read: its rows are of the old history
            return False
        self._seen = stored[0]["last_id"], done[-1]["id"] if done else last_news
        for row in done:
            if row["origin"] == self._replica:
                continue
            self._announce_done(row["name"], row["update_ids"])
        for row in stored:
            if row["name"] is not None:
                self._announce_stored(row["name"], row["lowest"])
        return stored[0]["name"] is not None

    def _announce_done(self, push_config: str | None, update_ids: Sequence[int]) -> None:
        if push_config is None:
            self._listeners.announce(lambda listener: listener.on_erased(frozenset(update_ids)))
        else:
            self._listeners.announce(lambda listener: listener.on_replayed(push_config, update_ids))

    def _announce_stored(self, push_config: str, lowest: int) -> None:
        self._listeners.announce(lambda listener: listener.on_elsewhere(push_config, lowest))

    def _check(self, row: Any) -> None:
        if not self._history.knows(row["history"], row["last_id"]):
            raise ConnectionResetError("the database was restarted or replaced")
