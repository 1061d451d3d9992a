"""Synchronous, read-only search in a journal's SQLite file. The command line and `sqlite.search` use it.

It works with and without a running server. Each method is one read transaction and implements the method of the same
name of `trackpush_server.journal.search.JournalSearch`.
"""

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, cast

from trackpush_server.ids import parse_push_id, push_config_tag
from trackpush_server.journal import pagination
from trackpush_server.journal.config_history import ConfigEntry
from trackpush_server.journal.inbox import InboxCount, InboxEntry, InboxPage, InboxQuery
from trackpush_server.journal.model import AuditRow, JournalUnavailableError, PushState
from trackpush_server.journal.rollups import TallyRow
from trackpush_server.journal.row_mapping import FoundUpdate, Names, push_row, timeline_entry
from trackpush_server.journal.sealing import Sealer
from trackpush_server.journal.search import (
    MOST_ATTEMPTS,
    MOST_COUNTED,
    MOST_ROWS,
    AttemptRow,
    PushDetail,
    PushPage,
    PushQuery,
    QueueCount,
    ShipmentQuery,
    Timeline,
    TimelineEntry,
    TimelinePush,
    checked_limit,
)
from trackpush_server.journal.sqlite import config_history, inbox, rollups, search_rows
from trackpush_server.journal.sqlite.connection import SqliteConnection, SqliteError, open_outside_reader
from trackpush_server.journal.sqlite.explain import explain_read
from trackpush_server.journal.sqlite.folder import FILE_NAME


class JournalReader:
    """Reads a journal, given by its folder or its file. A context manager.

    Raises:
        JournalUnavailableError: from any method: there is no journal, or it can't be read. The message says what to do.
    """

    def __init__(self, path: Path, *, sealer: Sealer | None = None) -> None:
        """``sealer`` decrypts payloads; without one, encrypted payloads are unreadable."""
        self._sealer = sealer or Sealer(os.urandom)
        self._path = path / FILE_NAME if path.is_dir() else path
        if not self._path.is_file():
            raise JournalUnavailableError(f"no journal at {self._path}: give the folder that `serve --data` was given")
        with self._explained():
            self._connection = open_outside_reader(self._path)

    def list_pushes(self, query: PushQuery) -> PushPage:
        with self._reading() as connection:
            names = search_rows.names(connection)
            cursor = pagination.checked(query)
            where = search_rows.bounds(connection, query.since, query.received_before, cursor, newer=query.newer)
            return _listed(connection, pagination.list_pushes(names, query, where))

    def show(self, push_id: str) -> PushDetail | None:
        key, tag = parse_push_id(push_id)
        with self._reading() as connection:
            names = search_rows.names(connection)
            for found in search_rows.by_key(connection, key):
                row = push_row(names, found.row)
                if push_config_tag(row.push_config) == tag:
                    attempts = _attempts(search_rows.attempts(connection, found.row))
                    payload = self._sealer.payload(key=key, notification=found.notification, body=found.body)
                    return PushDetail(push=row, attempts=attempts, **payload._asdict())
        return None

    def timeline(self, query: ShipmentQuery) -> Timeline:
        limit = checked_limit(query.limit)
        with self._reading() as connection:
            names = search_rows.names(connection)
            found = search_rows.timeline(connection, query.shipment, query.after, limit + 1)
            entries = tuple(
                self._entry(connection, names, row)
                for row in found[:limit]
                if query.client is None or names.accounts[row.account_id].startswith(f"{query.client}/")
            )
        return Timeline(entries, found[limit - 1].id if len(found) > limit else None)

    def lane_heads(self, cursors: Sequence[str]) -> dict[str, str]:
        with self._reading() as connection:
            return search_rows.lane_heads(connection, cursors[:MOST_ROWS])

    def counts(self) -> tuple[QueueCount, ...]:
        with self._reading() as connection:
            return tuple(
                QueueCount(
                    push_config=name,
                    pending=search_rows.count(connection, PushState.PENDING, config, MOST_COUNTED),
                    dead=search_rows.count(connection, PushState.DEAD, config, MOST_COUNTED),
                    oldest_received_at=search_rows.oldest_pending(connection, config),
                )
                for config, name in search_rows.push_configs(connection)
            )

    def audits(self, *, before: int | None, limit: int) -> tuple[AuditRow, ...]:
        limit = checked_limit(limit)
        with self._reading() as connection:
            return search_rows.audits(connection, before, limit)

    def list_unrecognised(self, query: InboxQuery) -> InboxPage:
        with self._reading() as connection:
            return inbox.list_page(connection, query)

    def show_unrecognised(self, key: bytes) -> InboxEntry | None:
        with self._reading() as connection:
            return inbox.show(connection, self._sealer, key)

    def rollups(self, *, now: int) -> tuple[TallyRow, ...]:
        with self._reading() as connection:
            return rollups.read(connection, now)

    def config_history(self, *, before: int | None, limit: int) -> tuple[ConfigEntry, ...]:
        limit = checked_limit(limit)
        with self._reading() as connection:
            return config_history.read(connection, before, limit)

    def count_unrecognised(self) -> tuple[InboxCount, ...]:
        with self._reading() as connection:
            return inbox.counts(connection)

    def _entry(self, connection: SqliteConnection, names: Names, found: FoundUpdate) -> TimelineEntry:
        pushes = tuple(
            TimelinePush(push_row(names, push), _attempts(search_rows.latest_attempts(connection, push, MOST_ATTEMPTS)))
            for push in sorted(
                search_rows.pushes_of(connection, found.id), key=lambda push: names.push_configs[push.config_id]
            )
        )
        return timeline_entry(names, found, pushes, sealer=self._sealer)

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (SqliteError, OSError) as error:
            raise JournalUnavailableError(explain_read(self._path, error)) from error

    @contextlib.contextmanager
    def _reading(self) -> Iterator[SqliteConnection]:
        with self._explained(), search_rows.snapshot(self._connection):
            yield self._connection


def _listed(connection: SqliteConnection, walking: pagination.Walking) -> PushPage:
    try:
        walk = next(walking)
        while True:
            walk = walking.send(search_rows.walk(connection, walk))
    except StopIteration as end:
        return cast("PushPage", end.value)


def _attempts(found: Iterable[search_rows.FoundAttempt]) -> tuple[AttemptRow, ...]:
    return tuple(AttemptRow(**row._asdict()) for row in found)
