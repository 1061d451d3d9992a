"""A place that a journal keeps its things in, whatever the adapter, and updates to put there."""

import asyncio
import contextlib
import hashlib
import itertools
import os
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from trackpush_api.routing import Encryption
from trackpush_server.journal.listener import JournalListener
from trackpush_server.journal.model import Committed, NewPush, NewUpdate, Outcome, PageRequest, PendingPage, PushState
from trackpush_server.journal.ports import Journal
from trackpush_server.journal.postgres import PostgresJournal
from trackpush_server.journal.sealing import Sealer
from trackpush_server.journal.sqlite import SqliteJournal

NOW = 1_760_000_000_000
OMS = "acme/oms"
_NUMBERS = itertools.count(1)


class Store:
    """One store; `open` it as often as a server would be restarted on it."""

    def __init__(self, make: Callable[[Sealer | None], Journal], *, sealer: Sealer | None = None) -> None:
        self._make = make
        self._sealer = sealer

    @contextlib.asynccontextmanager
    async def open(self, *, sealer: Sealer | None = None) -> AsyncIterator["Opened"]:
        """A started journal, closed in the end."""
        opened = Opened(self._make(sealer or self._sealer))
        await opened.journal.start()
        try:
            yield opened
        finally:
            await opened.journal.close()


class Opened:
    """A journal and what it told."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.commits: list[list[Committed]] = []
        self.states: list[str | None] = []
        self.batches: list[tuple[float, int]] = []
        self.arrived: list[dict[str, int]] = []
        journal.subscribe(
            JournalListener(
                on_commit=lambda committed: self.commits.append(list(committed)),
                on_state=self.states.append,
                on_arrived=lambda latest: self.arrived.append(dict(latest)),
                on_batch=lambda seconds, rows: self.batches.append((seconds, rows)),
            )
        )

    @property
    def committed(self) -> list[Committed]:
        """All that was announced, in order."""
        return [entry for commit in self.commits for entry in commit]

    async def put(self, *updates: NewUpdate) -> int:
        """Append as one request, and wait."""
        return await asyncio.wait_for(self.journal.updates.append(updates), 10)

    async def put_one(self, **fields: Any) -> Committed:
        """Append a new update and return what was announced of it."""
        before = len(self.committed)
        await self.put(update(**fields))
        return self.committed[before]

    async def record(self, *outcomes: Outcome) -> None:
        """Hand outcomes over and wait until they are on disk."""
        for outcome in outcomes:
            self.journal.pushes.record(outcome)
        await asyncio.wait_for(self.journal.pushes.flush(), 10)

    async def pending_ids(self, push_config: str = OMS, *, after: int = 0, limit: int = 1000) -> list[int]:
        """Ids of one page."""
        page = await page_of(self.journal, push_config, after=after, limit=limit)
        return [push.update_id for push in page.pushes]


def sqlite_store(folder: Path, *, sealer: Sealer | None = None) -> Store:
    """A store of the SQLite adapter."""
    return Store(lambda with_keys: SqliteJournal(folder, sealer=with_keys), sealer=sealer)


def sealing(*keys: bytes, decrypt_only: bool = False) -> Sealer:
    """Seals with the first of these keys; without any, in clear."""
    return Sealer(os.urandom, Encryption(keys=keys, decrypt_only=decrypt_only) if keys else None)


def postgres_store(dsn: str, *, sealer: Sealer | None = None) -> Store:
    """A store of the PostgreSQL adapter, for a server that has the database for itself."""
    return Store(lambda with_keys: PostgresJournal(dsn, sealer=with_keys), sealer=sealer)


def update(*, to: Sequence[str | NewPush] = (OMS,), **fields: object) -> NewUpdate:
    """A new update, each with a key and a shipment of its own unless given."""
    number = next(_NUMBERS)
    pushes = tuple(NewPush(target) if isinstance(target, str) else target for target in to)
    base = NewUpdate(
        key=number.to_bytes(16, "big"),
        account="acme/clickpost",
        received_at=NOW + number,
        occurred_at=NOW,
        shipment=f"awb-{number}",
        awb=f"awb-{number}",
        forward_awb=None,
        order_id=None,
        status="IN_TRANSIT",
        notification=b'{"type":"shipment.in_transit"}',
        body=b'{"number":%d}' % number,
        pushes=pushes,
    )
    return msgspec.structs.replace(base, **fields)


def timeless(shipment: str, status: str, **fields: Any) -> NewUpdate:
    """A report without a time; two of one status and shipment are the same report."""
    identity = hashlib.sha256(f"{shipment} {status}".encode()).digest()
    fresh = update(shipment=shipment, status=status, occurred_at=None, timeless=True, **fields)
    return msgspec.structs.replace(fresh, key=fresh.key[-5:] + identity[:6] + os.urandom(5))


async def page_of(journal: Journal, push_config: str, *, after: int, limit: int) -> PendingPage:
    """One page of pending pushes."""
    (page,) = await journal.pushes.pending([PageRequest(push_config, after, limit)])
    return page


def outcome(update_id: int, state: PushState = PushState.DELIVERED, **fields: object) -> Outcome:
    """What the first attempt at a push came to."""
    base = Outcome(update_id=update_id, push_config=OMS, state=state, tries=1, started_at=NOW, duration_ms=1.5)
    return msgspec.structs.replace(base, **fields)
