"""The expected pushes of a posting, by the demo's own logic for filters and late updates, not the server's."""

from trackpush_aggregators.updates import TrackingUpdate, update_key
from trackpush_api.routing import Account, Destination, Filter, RoutingTable
from trackpush_cli.demo.ledger import Expectation
from trackpush_cli.demo.story import Posting
from trackpush_server.ids import push_id, without_occurrence


def _wanted(choice: Filter, update: TrackingUpdate) -> bool:
    return (
        (choice.statuses is None or not choice.statuses.isdisjoint({update.status, *update.codes}))
        and (choice.directions is None or update.direction in choice.directions)
        and (choice.aggregators is None or update.aggregator in choice.aggregators)
    )


def _passes(account: Account, update: TrackingUpdate) -> bool:
    return account.statuses is None or not account.statuses.isdisjoint(update.codes)


_REMEMBERED = 100_000


class Expected:
    """Remembers the previous postings, by which duplicates and late updates are recognised."""

    def __init__(self, table: RoutingTable) -> None:
        self._destinations = table.destination_by_name
        self._known: set[bytes] = set()
        self._last: dict[tuple[str, str], bytes] = {}
        self._newest: dict[tuple[str, str, str], int] = {}

    def of(self, posting: Posting) -> tuple[list[Expectation], int]:
        """The pushes of a posting, and the number of its updates that are duplicates."""
        if len(self._known) > _REMEMBERED:
            # Forget old postings, because a demo may run for days. Only the samples are posted twice, and they come
            # first.
            self._known.clear()
            self._last.clear()
            self._newest.clear()
        expectations: list[Expectation] = []
        duplicates = 0
        for update in posting.updates:
            key = update_key(posting.account.name, update)
            lane = (posting.account.name, update.shipment)
            if self._last.get(lane) == key if update.timeless else key in self._known:
                duplicates += 1
                continue
            self._last[lane] = key
            self._known.add(key)
            if posting.account.suspended or not _passes(posting.account, update):
                continue
            for name in posting.account.destinations:
                destination = self._destinations.get(name)
                if destination is not None and not destination.suspended and _wanted(destination.filter, update):
                    expectations += self._push(destination, posting, update, key)
        return expectations, duplicates

    def _push(
        self, destination: Destination, posting: Posting, update: TrackingUpdate, key: bytes
    ) -> list[Expectation]:
        """The push, or none if it is late and the client drops late updates."""
        lane = (destination.name, posting.account.name, update.shipment)
        newest = self._newest.get(lane, 0)
        happened = newest if update.occurred_at is None else update.occurred_at
        late = happened < newest
        self._newest[lane] = max(newest, happened)
        if late and destination.drop_late:
            return []
        identity = push_id(key, destination.name)
        return [
            Expectation(
                webhook_id=without_occurrence(identity) if update.timeless else identity,
                push_config=destination.name,
                account=posting.account.name,
                shipment=update.shipment,
                status=update.status,
                late=late,
                label=posting.label,
            )
        ]
