"""Erases personal data of updates: from memory, from the journal's tables, and from unused parts of its file."""

import hashlib
import time
from collections.abc import Callable
from typing import Annotated, Protocol

import msgspec

from trackpush_aggregators import mentions
from trackpush_server.journal.inbox import InboxQuery
from trackpush_server.journal.model import Erasure, Subject
from trackpush_server.journal.ports import ErasureStore, InboxStore
from trackpush_server.journal.search import JournalSearch
from trackpush_server.operations.jobs import Jobs, JobView

STEP = 200
"""Updates per commit; bodies are large."""
_LOOK = 2000
_MOST_RECORDS = 1000

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]


class ErasureRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """Selects the data: that of a client, of an AWB, or of an AWB of one client."""

    awb: Text | None = None
    client: Text | None = None
    reason: Annotated[str, msgspec.Meta(max_length=256)] = ""
    """A note for the record, which is kept. Write no personal data here."""


class ErasureView(JobView, kw_only=True):
    """An erasure and its progress."""

    updates: int = 0
    unrecognised: int = 0
    """Number of erased unrecognised bodies."""
    unreadable: int = 0
    """Unrecognised bodies that could not be searched for the AWB, because the key that encrypted them is missing."""


class PushEraser(Protocol):
    """The dispatcher's port for erasures."""

    def forget(self, update_ids: frozenset[int]) -> None: ...


class Erasures:
    """The erasures of one server."""

    def __init__(
        self,
        store: ErasureStore,
        inbox: InboxStore,
        search: JournalSearch,
        pusher: PushEraser,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._inbox = inbox
        self._search = search
        self._pusher = pusher
        self._wall = wall
        self.jobs: Jobs[ErasureView] = Jobs("erasure", wall)

    def start(self, request: ErasureRequest) -> ErasureView:
        """Start an erasure.

        Raises:
            ValueError: the request selects nothing; the message is for people.
            TooManyJobsError: too many jobs are running.
        """
        self.check(request)
        view = ErasureView(id=self.jobs.new_id(), begun_at=self._now())
        self.jobs.start(view, lambda view: self._work(view, request))
        return view

    def check(self, request: ErasureRequest) -> None:
        """Check that the erasure can start.

        Raises:
            ValueError: see `start`.
            TooManyJobsError: see `start`.
        """
        if request.awb is None and request.client is None:
            raise ValueError("name the data to erase: awb or client")
        self.jobs.check()

    async def records(self) -> tuple[Erasure, ...]:
        return await self._store.records(limit=_MOST_RECORDS)

    async def _work(self, view: ErasureView, request: ErasureRequest) -> None:
        subject = Subject(client=request.client, awb=request.awb)
        number = await self._store.begin(describe(request), request.reason, now=self._now())
        after: int | None = 0
        while after is not None:
            found = await self._store.find(subject, after=after, limit=_LOOK)
            for start in range(0, len(found.update_ids), STEP):
                ids = found.update_ids[start : start + STEP]
                view.updates += await self._store.erase(number, ids, now=self._now())
                self._pusher.forget(frozenset(ids))
            after = found.next_after
        await self._erase_inbox(view, subject)
        await self._store.end(number, now=self._now())

    async def _erase_inbox(self, view: ErasureView, subject: Subject) -> None:
        """Delete the client's unrecognised bodies: all, or those that contain the AWB."""
        query = InboxQuery(client=subject.client, limit=STEP)
        while True:
            page = await self._search.list_unrecognised(query)
            keys = [
                row.key for row in page.rows if subject.awb is None or await self._occurs(view, subject.awb, row.key)
            ]
            if keys:
                view.unrecognised += await self._inbox.forget(keys)
            if page.older is None:
                return
            query = msgspec.structs.replace(query, before=page.older)

    async def _occurs(self, view: ErasureView, awb: str, key: bytes) -> bool:
        entry = await self._search.show_unrecognised(key)
        if entry is None:
            return False
        view.unreadable += entry.unreadable is not None
        return mentions(entry.body, awb)

    def _now(self) -> int:
        return int(self._wall() * 1000)


def describe(request: ErasureRequest) -> str:
    """The selection for the record. An AWB is written as its digest, which can be searched for but not read."""
    parts = []
    if request.awb is not None:
        parts.append(f"awb sha256:{hashlib.sha256(request.awb.encode()).hexdigest()}")
    if request.client is not None:
        parts.append(f"client {request.client}")
    return " of ".join(parts)
