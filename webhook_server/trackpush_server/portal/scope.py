"""Everything that a visitor may read: each read is limited to one client here, and nowhere else.

What belongs to another client is answered as what does not exist. Messages that name other clients, other processes
of the server, or commands that a visitor can't run are left out or replaced.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from trackpush_api.routing import namespace_of
from trackpush_server.admin.accounts import AccountHealth, accounts
from trackpush_server.admin.api import explained, shapes
from trackpush_server.admin.api.reading import overview
from trackpush_server.admin.clients import PushConfigHealth
from trackpush_server.admin.console import charts
from trackpush_server.admin.console.chart import Chart
from trackpush_server.admin.desk import AdminServices
from trackpush_server.admin.rates import Rates, rates
from trackpush_server.ids import parse_push_id
from trackpush_server.journal.rollups import RollupSubject
from trackpush_server.journal.search import PushDetail, PushQuery, ShipmentQuery, Timeline

MOST_SHOWN: Final = 200
"""PushConfigs and accounts of one client on a page."""
_SEARCHES: Final = 5
"""Reads of the journal for one page, until it has a row: each read is bounded, and may find nothing."""
_OWN_SUBJECTS: Final = frozenset({RollupSubject.ACCOUNT, RollupSubject.PUSH_CONFIG})


class NotOwnError(Exception):
    """The client has nothing with this id or name. Another client may have."""


class ClientScope:
    """The reads of one client's people."""

    def __init__(self, desk: AdminServices, client: str, *, plain: bool) -> None:
        """``plain``: whether they see personal data."""
        self._desk = desk
        self.client = client
        self.plain = plain

    def owns(self, name: str) -> bool:
        """Whether a resource ``namespace/name`` is the client's."""
        return "/" in name and namespace_of(name) == self.client

    async def pushes(self, query: PushQuery) -> shapes.Pushes:
        """Matching pushes of the client, newest first; never a hint, which would name other clients.

        Raises:
            ValueError: the query is invalid.
            JournalUnavailableError: the journal can't be read.
        """
        query = msgspec.structs.replace(query, client=self.client)
        for _ in range(_SEARCHES):
            page = await self._desk.lookup.list_pushes(query)
            if page.rows or page.older is None or query.newer:
                break
            query = msgspec.structs.replace(query, cursor=page.older)
        own = tuple(row for row in page.rows if self.owns(row.push_config))
        page = msgspec.structs.replace(page, rows=own, hint=None)
        found = await explained.pushes(self._desk, page, plain=self.plain)
        return msgspec.structs.replace(found, pushes=tuple(map(_push, found.pushes)))

    async def detail(self, push_id: str) -> PushDetail:
        """One push of the client.

        Raises:
            NotOwnError: the client has no such push.
            JournalUnavailableError: the journal can't be read.
        """
        try:
            parse_push_id(push_id)
        except ValueError:
            raise NotOwnError from None
        found = await self._desk.lookup.show(push_id)
        if found is None or not (self.owns(found.push.push_config) and self.owns(found.push.account)):
            raise NotOwnError
        return found

    async def push(self, push_id: str) -> shapes.PushWhole:
        """One push of the client with all its data. Raises the same errors as `detail`."""
        found = await explained.push_whole(self._desk, await self.detail(push_id), plain=self.plain)
        return msgspec.structs.replace(found, push=_push(found.push))

    async def shipment(self, shipment: str, *, after: int = 0, limit: int) -> shapes.Shipment:
        """A part of the history of one of the client's shipments; empty if it has no such shipment.

        Raises:
            JournalUnavailableError: the journal can't be read.
        """
        query = ShipmentQuery(shipment=shipment, client=self.client, after=after, limit=limit)
        timeline = self._own(await self._desk.lookup.timeline(query))
        found = await explained.shipment(self._desk, timeline, plain=self.plain)
        return msgspec.structs.replace(found, updates=tuple(map(_update, found.updates)))

    def _own(self, timeline: Timeline) -> Timeline:
        entries = tuple(
            msgspec.structs.replace(
                entry, pushes=tuple(pushed for pushed in entry.pushes if self.owns(pushed.push.push_config))
            )
            for entry in timeline.entries
            if self.owns(entry.account)
        )
        return msgspec.structs.replace(timeline, entries=entries)

    async def push_configs(self) -> tuple[PushConfigHealth, ...]:
        """The state of the client's PushConfigs, by name.

        Raises:
            JournalUnavailableError: the journal can't be read.
        """
        return (await overview(self._desk)).push_configs(client=self.client, limit=MOST_SHOWN)

    async def push_config(self, name: str) -> PushConfigHealth:
        """The state of one of the client's PushConfigs.

        Raises:
            NotOwnError: the client has no such PushConfig.
            JournalUnavailableError: the journal can't be read.
        """
        known = await overview(self._desk)
        if not (self.owns(name) and (known.knows(name) or self.serves(name))):
            raise NotOwnError
        return known.push_config(name)

    def serves(self, name: str) -> bool:
        """Whether the routing table has this PushConfig of the client."""
        table = self._desk.table()
        return table is not None and self.owns(name) and name in table.destination_by_name

    def served(self) -> tuple[str, ...]:
        """The names of the client's PushConfigs in the routing table."""
        table = self._desk.table()
        names = () if table is None else table.destination_by_name
        return tuple(sorted(filter(self.owns, names)))

    async def accounts(self) -> tuple[AccountHealth, ...]:
        """The client's accounts, and when their aggregators last sent an update."""
        return accounts(await self._desk.activity(), client=self.client, limit=MOST_SHOWN).accounts

    async def rates(self) -> Rates:
        """The client's numbers of the last day and week.

        Aggregators and statuses are counted for all clients together, so they are left out.

        Raises:
            JournalUnavailableError: the journal can't be read.
        """
        sums = await self._desk.rollups.sums()
        own = [row for row in sums if row.subject in _OWN_SUBJECTS and self.owns(row.name)]
        found = rates(own, now=self._desk.wall(), limit=1)
        return msgspec.structs.replace(found, total=msgspec.structs.replace(found.total, name=self.client))

    def charts(self, push_config: str) -> tuple[Chart, ...]:
        """The charts of one of the client's PushConfigs for the last hour.

        Raises:
            NotOwnError: it is not the client's.
        """
        if not self.owns(push_config):
            raise NotOwnError
        return charts.of_push_config(self._desk, push_config)


_ASK: Final = "Ask the people who run Trackpush."
_INSTEAD: Final[Mapping[str, tuple[str | None, str]]] = {
    "NoPushConfig": (None, f"It is sent when the PushConfig is valid again. {_ASK}"),
    "OtherReplica": (
        "Another process of the server sends it, and knows why it waits.",
        "Load the page again: that process may answer.",
    ),
    "WaitsForKeys": ("It can't be sent, because the server lacks the key that it was encrypted with.", _ASK),
    "Filtered": (None, f"Nothing is sent. {_ASK}"),
}
"""By code: sentences for visitors, instead of those for the people who run the server; None keeps the message."""


def _why(why: shapes.Why) -> shapes.Why:
    message, then = _INSTEAD.get(why.code, (None, why.next))
    return msgspec.structs.replace(why, message=why.message if message is None else message, next=then)


def _push(push: shapes.Push) -> shapes.Push:
    return msgspec.structs.replace(push, why=_why(push.why))


def _update(update: shapes.ShipmentUpdate) -> shapes.ShipmentUpdate:
    pushes = tuple(msgspec.structs.replace(pushed, push=_push(pushed.push)) for pushed in update.pushes)
    return msgspec.structs.replace(update, pushes=pushes, why=None if update.why is None else _why(update.why))
