"""Chooses the destinations of a tracking update. Pure.

An account names its PushConfigs. A named PushConfig that is not in the routing table (invalid, or not yet created)
still gets a push. The push waits in the journal until the PushConfig exists, so a typing error loses nothing.
"""

from typing import NamedTuple

from trackpush_aggregators.updates import TrackingUpdate
from trackpush_api.expressions import EvaluationError
from trackpush_api.routing import Account, Destination, Filter, RoutingTable
from trackpush_server.journal.model import NewPush
from trackpush_server.receiver.conditions import FilterCondition, UpdateView, condition


def passes(account: Account, update: TrackingUpdate) -> bool:
    """Whether the update's status is one that the account passes on. ``statuses`` has the aggregator's own codes."""
    return account.statuses is None or not account.statuses.isdisjoint(update.codes)


def wants(wanted: Filter, update: TrackingUpdate) -> bool:
    """Whether a destination's filter accepts the update, apart from its expression."""
    if wanted.directions is not None and update.direction not in wanted.directions:
        return False
    if wanted.aggregators is not None and update.aggregator not in wanted.aggregators:
        return False
    statuses = wanted.statuses
    return statuses is None or update.status in statuses or not statuses.isdisjoint(update.codes)


class FilterFailure(NamedTuple):
    """The failure of an expression for an update."""

    push_config: str
    reason: str
    """Contains nothing of the update."""


class Choice(NamedTuple):
    """A destination and its filter, for one account."""

    push: NewPush
    filter: Filter
    condition: FilterCondition | None


class FilterSelection:
    """The destinations of one account, looked up once per routing table."""

    def __init__(self, account: Account, table: RoutingTable) -> None:
        self._account = account
        known = table.destination_by_name
        self._choices = tuple(_choice(name, known.get(name)) for name in _names(account))
        self._all = (
            tuple(choice.push for choice in self._choices)
            if account.statuses is None and all(choice.filter == Filter() for choice in self._choices)
            else None
        )

    def __len__(self) -> int:
        """Number of destinations before any filter."""
        return len(self._choices)

    def of(self, update: TrackingUpdate, received_at: int, failures: list[FilterFailure]) -> tuple[NewPush, ...]:
        """The pushes of this update. If an expression fails, its push is created and ``failures`` gets an entry."""
        if self._all is not None:
            return self._all
        if not passes(self._account, update):
            return ()
        view = UpdateView(update, received_at)
        return tuple(
            [
                choice.push
                for choice in self._choices
                if wants(choice.filter, update) and (choice.condition is None or _holds(choice, view, failures))
            ]
        )


def _choice(name: str, destination: Destination | None) -> Choice:
    if destination is None:
        return Choice(NewPush(name), Filter(), None)
    wanted = destination.filter
    return Choice(NewPush(name, destination.drop_late), wanted, condition(wanted.expression))


def _holds(choice: Choice, view: UpdateView, failures: list[FilterFailure]) -> bool:
    assert choice.condition is not None
    try:
        return choice.condition.holds(view)
    except EvaluationError as error:
        failures.append(FilterFailure(choice.push.push_config, str(error)))
        return True


def _names(account: Account) -> tuple[str, ...]:
    return tuple(dict.fromkeys(account.destinations))
