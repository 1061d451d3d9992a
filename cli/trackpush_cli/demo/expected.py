"""Which pushes a posting must lead to: the demo's own reading of filters and late updates, apart from the server's."""

from trackpush_api.routing import Account, Destination, Filter, RoutingTable
from trackpush_cli.demo.ledger import Expectation
from trackpush_cli.demo.story import Posting
from trackpush_server.ids import push_id
from trackpush_server.updates import TrackingUpdate, update_key


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
    """Knows what was posted before, which decides on duplicates and late updates."""

    def __init__(self, table: RoutingTable) -> None:
        self._destinations = table.destination_by_name
        self._known: set[bytes] = set()
        self._newest: dict[tuple[str, str], int] = {}

    def of(self, posting: Posting) -> tuple[list[Expectation], int]:
        """The pushes of a posting, and how many of its updates are duplicates."""
        if len(self._known) > _REMEMBERED:
            # A demo that runs for days: only the samples are ever posted twice, and they come first.
            self._known.clear()
            self._newest.clear()
        expectations: list[Expectation] = []
        duplicates = 0
        for update in posting.updates:
            key = update_key(posting.account.name, update)
            if key in self._known:
                duplicates += 1
                continue
            self._known.add(key)
            if posting.account.suspended or not _passes(posting.account, update):
                continue
            expectations += [
                Expectation(
                    webhook_id=push_id(key, destination.name),
                    push_config=destination.name,
                    shipment=f"{posting.account.name} {update.shipment}",
                    status=update.status,
                    label=posting.label,
                )
                for name in posting.account.destinations
                if (destination := self._destinations.get(name))
                and self._is_pushed(destination, posting.account, update)
            ]
        return expectations, duplicates

    def _is_pushed(self, destination: Destination, account: Account, update: TrackingUpdate) -> bool:
        if destination.suspended or not _wanted(destination.filter, update):
            return False
        lane = (destination.name, f"{account.name} {update.shipment}")
        newest = self._newest.get(lane, 0)
        happened = update.occurred_at or newest
        self._newest[lane] = max(newest, happened)
        return not (destination.drop_late and happened < newest)
