"""Converts the writer's queue entries to the rows of one transaction."""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import islice
from typing import Any

import msgspec

from trackpush_server.journal.append_queue import Append
from trackpush_server.journal.last_updates import arrivals, is_due
from trackpush_server.journal.model import Committed, NewUpdate, Outcome, PushState
from trackpush_server.journal.sealing import BODY, NOTIFICATION, Sealer
from trackpush_server.journal.sqlite import statements as sql
from trackpush_server.journal.sqlite.connection import SqliteConnection
from trackpush_server.journal.sqlite.indexing import Indexing
from trackpush_server.journal.sqlite.sanitize import storable
from trackpush_server.journal.sqlite.terms import term


class WriterCall(msgspec.Struct, frozen=True, eq=False):
    """A function to run inside the transaction; its result goes to the future."""

    run: Callable[[SqliteConnection], Any]
    done: asyncio.Future[Any]
    renames: bool = False
    """It assigns names to other numbers, so the writer must reload its cache of names."""


class Offline(msgspec.Struct, frozen=True, eq=False):
    """A function to run between two commits, while the WAL is empty and the writer's connection is closed."""

    run: Callable[[], int]
    done: asyncio.Future[int]


Entry = Append | Outcome | WriterCall | Offline
_Push = tuple[int, int, int, int]
"""A row of the table ``pushes``: update, number of the PushConfig, state, late."""
_AT_ONCE = 50
"""Number of updates that one statement compares with a new update."""


def cleaned(entry: Entry) -> Entry:
    """The entry with all values made storable."""
    if isinstance(entry, Append):
        return Append(tuple(storable(update) for update in entry.updates), entry.done)
    return storable(entry) if isinstance(entry, Outcome) else entry


class NameNumbers:
    """Cache of the numbers of names. Used by the writer thread only."""

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}
        self._stored: dict[int, int] = {}
        """By number of an account: the time of its last update, as stored last."""

    def load(self, connection: SqliteConnection) -> None:
        """Reload the cache from disk. Also needed after a rollback, which may have removed new names."""
        self._ids = {name: number for number, name in connection.execute(sql.NAMES)}
        self._stored = {}

    def number(self, connection: SqliteConnection, name: str) -> int:
        """The number of a name; a new name gets one in the current transaction."""
        found = self._ids.get(name)
        if found is None:
            found = self._ids[name] = number_for(connection, name)
        return found

    def arrived(self, connection: SqliteConnection, latest: Mapping[str, int]) -> None:
        """Store the times of accounts' last updates, of each account rarely: see `is_due`."""
        now = int(time.time() * 1000)
        numbers = {self.number(connection, account): at for account, at in latest.items()}
        due = {number: at for number, at in numbers.items() if is_due(self._stored.get(number), at, now)}
        for number, at in due.items():
            connection.execute(sql.ARRIVED, {"account": number, "at": at, "now": now})
        self._stored |= due


def number_for(connection: SqliteConnection, name: str) -> int:
    """The number of a name, without the cache; a new name gets one in the current transaction."""
    row = connection.execute(sql.NUMBER_OF, (name,)).fetchone()
    return connection.insert(sql.NEW_NAME, (name,)) if row is None else int(row[0])


class WriteTransaction:
    """The statements of one transaction. The writer thread calls it between BEGIN and COMMIT."""

    def __init__(
        self, connection: SqliteConnection, names: NameNumbers, sealer: Sealer, indexing: Indexing, next_id: int
    ) -> None:
        self._connection = connection
        self._names = names
        self._sealer = sealer
        self._indexing = indexing
        self.next_id = next_id

    def append(self, appends: Sequence[Append]) -> tuple[list[Committed], list[int]]:
        """Insert new updates with their pushes; returns the new updates, and the number of them per append."""
        updates = [update for append in appends for update in append.updates]
        if not updates:
            self._indexing.merge(self._connection)
            return [], [0] * len(appends)
        self._names.arrived(self._connection, arrivals(updates))
        first = self.next_id
        last = first + len(updates) - 1
        self.next_id = last + 1
        terms = {update.key: term("key", update.key) for update in updates}
        new = self._new(dict(enumerate(updates, first)), terms)
        sql.INSERT_UPDATES.run(self._connection, [self._row(number, update) for number, update in new.items()])
        older = self._indexing.add_updates(self._connection, new, terms)
        for repeat in self._remove_repeats(new):
            del new[repeat]
        committed = self._insert_pushes(new, older)
        self._indexing.merge(self._connection)
        return committed, _count_new(appends, first, new)

    def _new(self, updates: Mapping[int, NewUpdate], terms: Mapping[bytes, int]) -> dict[int, NewUpdate]:
        """The updates whose key is neither stored nor used earlier in this batch."""
        firsts = {update.key: number for number, update in reversed(tuple(updates.items()))}
        stored = self._indexing.stored_keys(self._connection, terms)
        return {number: updates[number] for key, number in sorted(firsts.items(), key=_number) if key not in stored}

    def _row(self, update_id: int, update: NewUpdate) -> sql.Row:
        number, seal = self._names.number, self._sealer.seal
        return (
            update_id,
            update.key,
            number(self._connection, update.account),
            update.received_at,
            update.occurred_at,
            update.shipment,
            update.awb,
            update.forward_awb,
            update.order_id,
            update.status,
            seal(update.notification, key=update.key, column=NOTIFICATION),
            seal(update.body, key=update.key, column=BODY),
            update.trace,
        )

    def _remove_repeats(self, new: Mapping[int, NewUpdate]) -> list[int]:
        """Delete the timeless updates that repeat the last update of their shipment; returns their ids."""
        execute = self._connection.execute
        timeless = (update_id for update_id, update in new.items() if update.timeless)
        # Compare all before deleting any. Each is compared with the row before it; if that row is a repeat, too, it
        # equals the last row that remains.
        repeats = [update_id for update_id in timeless if execute(sql.REPEATS_LAST, (update_id,)).fetchone()]
        for update_id in repeats:
            execute(sql.DELETE_REPEAT, (update_id,))
        return repeats

    def _insert_pushes(self, updates: Mapping[int, NewUpdate], older: Collection[int]) -> list[Committed]:
        number, connection = self._names.number, self._connection
        committed: list[Committed] = []
        rows: list[_Push] = []
        late_ones = []
        for update_id, update in updates.items():
            if update_id in older:
                late_ones.append((len(committed), update_id, update))
            else:
                rows.extend((update_id, number(connection, push.push_config), 0, 0) for push in update.pushes)
            committed.append(Committed(update_id, update))
        self._insert(rows)
        for index, update_id, update in late_ones:  # in order: an earlier late update can make a later one late
            committed[index] = self._insert_late(update_id, update)
        return committed

    def _insert_late(self, update_id: int, update: NewUpdate) -> Committed:
        late, dropped = [], []
        rows: list[_Push] = []
        for push in update.pushes:
            config = self._names.number(self._connection, push.push_config)
            is_late = self._is_late(update_id, update, config)
            if is_late:
                late.append(push.push_config)
            if is_late and push.drop_late:
                dropped.append(push.push_config)
            state = PushState.DROPPED if is_late and push.drop_late else PushState.PENDING
            rows.append((update_id, config, int(state), int(is_late)))
        self._insert(rows)
        return Committed(update_id, update, tuple(late), tuple(dropped))

    def _is_late(self, update_id: int, update: NewUpdate, config: int) -> bool:
        """Whether this PushConfig has a push of a newer update of the shipment. Usually the newest one has."""
        execute, in_memory = self._connection.execute, self._indexing.later(update)
        while some := tuple(islice(in_memory, _AT_ONCE)):
            if execute(sql.IS_LATE_AMONG, (config, update_id, msgspec.json.encode(some).decode())).fetchone():
                return True
        return execute(sql.IS_LATE_FOR_CONFIG, (config, update_id)).fetchone() is not None

    def _insert(self, pushes: Sequence[_Push]) -> None:
        sql.INSERT_PUSHES.run(self._connection, pushes)
        self._indexing.add_pushes((update_id, config) for update_id, config, *_ in pushes)

    def apply(self, outcomes: Sequence[Outcome]) -> None:
        """Store outcomes: the pushes' states, and the attempts."""
        if not outcomes:
            return
        now = int(time.time() * 1000)
        number, connection = self._names.number, self._connection
        states: dict[tuple[int, int], sql.Row] = {}
        attempts: list[sql.Row] = []
        for outcome in outcomes:
            config = number(connection, outcome.push_config)
            states[outcome.update_id, config] = (
                outcome.update_id,
                config,
                int(outcome.state),
                outcome.tries,
                outcome.rejections,
                outcome.due_at,
                None if outcome.state is PushState.PENDING else now,
                outcome.error,
            )
            if outcome.attempted:
                attempts.append(
                    (
                        outcome.update_id,
                        config,
                        outcome.tries,
                        outcome.started_at,
                        outcome.duration_ms,
                        outcome.http_status,
                        outcome.error,
                    ),
                )
        sql.APPLY_OUTCOMES.run(connection, list(states.values()))
        sql.INSERT_ATTEMPTS.run(connection, attempts)


def _number(item: tuple[bytes, int]) -> int:
    return item[1]


def _count_new(appends: Sequence[Append], first: int, new: Collection[int]) -> list[int]:
    counts = []
    at = first
    for append in appends:
        size = len(append.updates)
        counts.append(sum(number in new for number in range(at, at + size)))
        at += size
    return counts
