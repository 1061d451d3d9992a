"""Looks into a journal's SQLite file: the command line from outside the server, `sqlite.lookup` from within.

Read-only, synchronous, and indifferent to whether a server runs. Each call is one read transaction and does what
`trackpush_server.journal.lookup.Lookup` says of it.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self, cast

from trackpush_server.ids import parse_push_id, push_config_tag, push_id
from trackpush_server.journal import listing
from trackpush_server.journal.listing import Found, Position
from trackpush_server.journal.lookup import (
    MOST_ATTEMPTS,
    MOST_COUNTED,
    AttemptRow,
    PushDetail,
    PushPage,
    PushQuery,
    PushRow,
    QueueCount,
    ShipmentQuery,
    Timeline,
    TimelineEntry,
    TimelinePush,
    checked_limit,
)
from trackpush_server.journal.port import AuditRow, JournalUnavailableError, PushState
from trackpush_server.journal.sealing import Sealer
from trackpush_server.journal.sqlite import search
from trackpush_server.journal.sqlite.connection import FILE_NAME, explain_read, open_outside_reader


class JournalReader:
    """Reads the journal in a folder (or the file itself). A context manager.

    Raises:
        JournalUnavailableError: there is no journal, or it can't be read; the message says what to do. Any method.
    """

    def __init__(self, path: Path, *, sealer: Sealer | None = None) -> None:
        """``sealer`` opens bodies that are sealed; without one they are shown as unreadable."""
        self._sealer = sealer or Sealer(os.urandom)
        self._path = path / FILE_NAME if path.is_dir() else path
        if not self._path.is_file():
            raise JournalUnavailableError(f"no journal at {self._path}: give the folder that `serve --data` was given")
        with self._explained():
            self._connection = open_outside_reader(self._path)

    def list_pushes(self, query: PushQuery) -> PushPage:
        """See `Lookup.list_pushes`."""
        with self._reading() as connection:
            names = search.names(connection)
            cursor = listing.checked(query)
            where = search.bounds(connection, query.since, query.until, cursor, newer=query.newer)
            rows, older, newer = _listed(connection, listing.list_pushes(names, names, query, where))
            return PushPage(tuple(_row(names, row) for row in rows), _cursor(older), _cursor(newer))

    def show(self, push_id: str) -> PushDetail | None:
        """See `Lookup.show`."""
        key, tag = parse_push_id(push_id)
        with self._reading() as connection:
            names = search.names(connection)
            for found in search.by_key(connection, key):
                row = _row(names, found.row)
                if push_config_tag(row.push_config) == tag:
                    attempts = _attempts(search.attempts(connection, found.row))
                    payload = self._sealer.payload(key=key, notification=found.notification, body=found.body)
                    return PushDetail(push=row, attempts=attempts, **payload._asdict())
        return None

    def timeline(self, query: ShipmentQuery) -> Timeline:
        """See `Lookup.timeline`."""
        limit = checked_limit(query.limit)
        with self._reading() as connection:
            names = search.names(connection)
            found = search.timeline(connection, query.shipment, query.after, limit + 1)
            entries = tuple(
                self._entry(connection, names, one)
                for one in found[:limit]
                if query.client is None or names[one.account_id].startswith(f"{query.client}/")
            )
        return Timeline(entries, found[limit - 1].id if len(found) > limit else None)

    def counts(self) -> tuple[QueueCount, ...]:
        """See `Lookup.counts`."""
        with self._reading() as connection:
            return tuple(
                QueueCount(
                    push_config=name,
                    pending=search.count(connection, PushState.PENDING, config, MOST_COUNTED),
                    dead=search.count(connection, PushState.DEAD, config, MOST_COUNTED),
                    oldest_received_at=search.oldest_pending(connection, config),
                )
                for config, name in search.push_configs(connection)
            )

    def audits(self, *, before: int | None, limit: int) -> tuple[AuditRow, ...]:
        """See `Lookup.audits`."""
        limit = checked_limit(limit)
        with self._reading() as connection:
            return search.audits(connection, before, limit)

    def _entry(self, connection: sqlite3.Connection, names: dict[int, str], found: search.FoundUpdate) -> TimelineEntry:
        payload = self._sealer.payload(key=found.key, notification=found.notification, body=b"")
        return TimelineEntry(
            update_id=found.id,
            account=names[found.account_id],
            shipment=found.shipment,
            awb=found.awb,
            forward_awb=found.forward_awb,
            order_id=found.order_id,
            status=found.status,
            received_at=found.received_at,
            occurred_at=found.occurred_at,
            erased_at=found.erased_at,
            notification=payload.notification,
            unreadable=payload.unreadable,
            pushes=tuple(
                TimelinePush(_row(names, push), _attempts(search.latest_attempts(connection, push, MOST_ATTEMPTS)))
                for push in sorted(search.pushes_of(connection, found.id), key=lambda one: names[one.config_id])
            ),
        )

    def close(self) -> None:
        """Close the file."""
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
        except (sqlite3.Error, OSError) as error:
            raise JournalUnavailableError(explain_read(self._path, error)) from error

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._explained(), search.snapshot(self._connection):
            yield self._connection


def _listed(connection: sqlite3.Connection, walking: listing.Walking) -> listing.Listed:
    try:
        walk = next(walking)
        while True:
            walk = walking.send(search.walk(connection, walk))
    except StopIteration as end:
        return cast("listing.Listed", end.value)


def _cursor(position: Position | None) -> str | None:
    return None if position is None else f"{position[0]}.{position[1]}"


def _attempts(found: Iterable[search.FoundAttempt]) -> tuple[AttemptRow, ...]:
    return tuple(AttemptRow(**one._asdict()) for one in found)


def _row(names: dict[int, str], row: Found) -> PushRow:
    push_config = names[row.config_id]
    return PushRow(
        push_id=push_id(row.key, push_config),
        push_config=push_config,
        account=names[row.account_id],
        shipment=row.shipment,
        awb=row.awb,
        forward_awb=row.forward_awb,
        order_id=row.order_id,
        status=row.status,
        state=PushState(row.state),
        late=bool(row.late),
        tries=row.tries,
        rejections=row.rejections,
        due_at=row.due_at,
        received_at=row.received_at,
        occurred_at=row.occurred_at,
        ended_at=row.ended_at,
        error=row.error,
        replays=row.replays,
        erased_at=row.erased_at,
        cursor=f"{row.update_id}.{row.config_id}",
    )
