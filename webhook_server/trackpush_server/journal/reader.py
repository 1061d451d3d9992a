"""Looks into a journal from outside the server: the command line, later the console.

Read-only, synchronous, and indifferent to whether a server runs. Each call is one read transaction and uses an index
for whatever it is asked, so a look never becomes a scan of millions of rows beside a busy server.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from trackpush_server.ids import parse_push_id, push_config_tag, push_id
from trackpush_server.journal.port import JournalUnavailableError, PushState
from trackpush_server.journal.sqlite import search
from trackpush_server.journal.sqlite.connection import FILE_NAME, explain_read, open_outside_reader

MOST_ROWS = 1000


class PushQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which pushes to list. ``None`` accepts all; times are milliseconds since the epoch, of receipt."""

    awb: str | None = None
    """The update's AWB or the AWB of its forward leg."""
    client: str | None = None
    """The namespace of the PushConfig."""
    push_config: str | None = None
    """``namespace/name``."""
    state: PushState | None = None
    since: int | None = None
    """Inclusive."""
    until: int | None = None
    """Exclusive."""
    limit: int = 50
    """At most so many, 1 to 1000."""
    cursor: str | None = None
    """`PushRow.cursor` of the last row of the page before."""


class PushRow(msgspec.Struct, frozen=True, kw_only=True):
    """One push, with what people look for of its update. Times are milliseconds since the epoch."""

    push_id: str
    push_config: str
    account: str
    shipment: str
    awb: str | None
    forward_awb: str | None
    order_id: str | None
    status: str
    state: PushState
    late: bool
    tries: int
    rejections: int
    due_at: int
    """When the next try is due; 0 is at once. Of pending pushes only."""
    received_at: int
    occurred_at: int | None
    ended_at: int | None
    error: str | None
    """Of the last attempt, or why the push ended without one."""
    replays: int = 0
    """How often it was replayed."""
    erased_at: int | None = None
    """When what it told of a person was erased: its shipment, AWBs, order and bodies are empty."""
    cursor: str
    """Goes on after this row."""


class AttemptRow(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP try."""

    number: int
    started_at: int
    duration_ms: float
    http_status: int | None
    error: str | None


class PushDetail(msgspec.Struct, frozen=True, kw_only=True):
    """One push with its attempts in order, its notification and the aggregator's body, both JSON."""

    push: PushRow
    attempts: tuple[AttemptRow, ...]
    notification: bytes
    body: bytes


class JournalReader:
    """Reads the journal in a folder (or the file itself). A context manager.

    Raises:
        JournalUnavailableError: there is no journal, or it can't be read; the message says what to do. Any method.
    """

    def __init__(self, path: Path) -> None:
        self._path = path / FILE_NAME if path.is_dir() else path
        if not self._path.is_file():
            raise JournalUnavailableError(f"no journal at {self._path}: give the folder that `serve --data` was given")
        with self._explained():
            self._connection = open_outside_reader(self._path)

    def list_pushes(self, query: PushQuery) -> tuple[PushRow, ...]:
        """Pushes that match, newest first, at most ``query.limit``; fewer mean that there are no more.

        Raises:
            ValueError: the cursor is not one of ours, or the limit is out of bounds.
        """
        if not 1 <= query.limit <= MOST_ROWS:
            raise ValueError(f"limit {query.limit} is out of bounds: 1 to {MOST_ROWS}")
        before = _parse_cursor(query.cursor)
        with self._reading() as connection:
            names = search.names(connection)
            bounds = search.bounds(connection, query.since, query.until, before)
            states = list(PushState) if query.state is None else [query.state]
            if query.awb is not None:
                found = search.by_awb(connection, query.awb, bounds)
            elif query.push_config is None and query.client is None and query.state is None:
                found = search.newest(connection, bounds, query.limit)
            else:
                configs = [number for number, name in names.items() if _wanted(query, name)]
                found = search.by_state(connection, states, configs, bounds, query.limit)
            rows = [_row(names, row) for row in found]
        matching = [row for row in rows if row.state in states and _wanted(query, row.push_config)]
        return tuple(matching[: query.limit])

    def show(self, push_id: str) -> PushDetail | None:
        """One push whole, or None when the journal has none of this id.

        Raises:
            ValueError: the text is no push id.
        """
        key, tag = parse_push_id(push_id)
        with self._reading() as connection:
            names = search.names(connection)
            for found in search.by_key(connection, key):
                row = _row(names, found.row)
                if push_config_tag(row.push_config) == tag:
                    tries = search.attempts(connection, found.row)
                    attempts = tuple(AttemptRow(**one._asdict()) for one in tries)
                    return PushDetail(push=row, attempts=attempts, notification=found.notification, body=found.body)
        return None

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


def _wanted(query: PushQuery, push_config: str) -> bool:
    if query.push_config is not None and push_config != query.push_config:
        return False
    return query.client is None or push_config.startswith(f"{query.client}/")


def _parse_cursor(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    update_id, _, config_id = text.partition(".")
    if not (update_id.isascii() and update_id.isdigit() and config_id.isascii() and config_id.isdigit()):
        raise ValueError(f"not a cursor: {text!r} (take the one of the last row of the page before)")
    return int(update_id), int(config_id)


def _row(names: dict[int, str], row: search.Found) -> PushRow:
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
