"""Which destinations want a tracking update. Pure.

An account names its PushConfigs. One that the routing table doesn't hold (broken, not yet made) gets its push all
the same: it waits in the journal until the PushConfig is there, so that a typo loses nothing.
"""

from trackpush_api.routing import Account, Destination, Filter, RoutingTable
from trackpush_server.journal.port import NewPush
from trackpush_server.updates import TrackingUpdate


def passes(account: Account, update: TrackingUpdate) -> bool:
    """Whether the account passes the update on: ``statuses`` names the aggregator's own codes."""
    return account.statuses is None or not account.statuses.isdisjoint(update.codes)


def wants(wanted: Filter, update: TrackingUpdate) -> bool:
    """Whether a destination wants the update: every part of its filter has to agree."""
    if wanted.directions is not None and update.direction not in wanted.directions:
        return False
    if wanted.aggregators is not None and update.aggregator not in wanted.aggregators:
        return False
    statuses = wanted.statuses
    return statuses is None or update.status in statuses or not statuses.isdisjoint(update.codes)


class Selection:
    """The destinations of one account, looked up once per routing table."""

    def __init__(self, account: Account, table: RoutingTable) -> None:
        self._account = account
        known = table.destination_by_name
        self._choices = tuple(
            (NewPush(name, _drops_late(known.get(name))), known.get(name)) for name in _names(account)
        )
        self._all = (
            tuple(push for push, _ in self._choices)
            if account.statuses is None and all(one is None or one.filter == Filter() for _, one in self._choices)
            else None
        )

    def __len__(self) -> int:
        """How many destinations there are before any filter."""
        return len(self._choices)

    def of(self, update: TrackingUpdate) -> tuple[NewPush, ...]:
        """The pushes that this update gets."""
        if self._all is not None:
            return self._all
        if not passes(self._account, update):
            return ()
        return tuple(push for push, one in self._choices if one is None or wants(one.filter, update))


def _names(account: Account) -> tuple[str, ...]:
    return tuple(dict.fromkeys(account.destinations))


def _drops_late(destination: Destination | None) -> bool:
    return destination is not None and destination.drop_late
