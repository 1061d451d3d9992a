"""Data derived from one routing table.

Each request uses one such object throughout, so a reload never affects it midway.
"""

from trackpush_api.routing import Account, RoutingTable
from trackpush_server.definitions import definitions_in_use
from trackpush_server.receiver.conditions import condition
from trackpush_server.receiver.filters import FilterSelection
from trackpush_server.receiver.routes import Routes
from trackpush_server.receiver.served_aggregators import served_aggregators


class Serving:
    """One routing table with its derived data. Created in a thread, because thousands of accounts take long."""

    __slots__ = ("_selections", "aggregators", "complete", "limits", "routes", "table")

    def __init__(self, table: RoutingTable, *, complete: bool = True) -> None:
        self.table = table
        self.complete = complete
        """If False, a part of the table is missing, so a key that isn't in the table may still be valid."""
        self.limits = table.server.limits
        definitions = definitions_in_use(table.server.definitions)
        self.routes = Routes(table.server, definitions.values())
        self.aggregators = served_aggregators(table, definitions)
        self._selections: dict[str, FilterSelection] = {}
        for destination in table.destinations:
            condition(destination.filter.expression)
        _ = (
            table.account_by_digest,
            table.destination_by_name,
            table.grace_by_digest,
        )  # created here, in the thread, and not at the first request

    def selection(self, account: Account) -> FilterSelection:
        """The destinations of an account of this table; created at the account's first update."""
        found = self._selections.get(account.name)
        if found is None:
            found = self._selections[account.name] = FilterSelection(account, self.table)
        return found
