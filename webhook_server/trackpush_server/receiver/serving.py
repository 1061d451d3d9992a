"""Data derived from one routing table. A request reads it once, so a reload never changes it midway."""

from trackpush_api.routing import Account, RoutingTable
from trackpush_server.definitions import definitions_in_use
from trackpush_server.receiver.conditions import condition
from trackpush_server.receiver.filters import FilterSelection
from trackpush_server.receiver.routes import Routes
from trackpush_server.receiver.served_aggregators import served_aggregators


class Serving:
    """One routing table with its derived data, built in a thread, because thousands of accounts take a while."""

    __slots__ = ("_selections", "aggregators", "complete", "limits", "routes", "table")

    def __init__(self, table: RoutingTable, *, complete: bool = True) -> None:
        self.table = table
        self.complete = complete
        """False: a part is missing, so a key that isn't in the table may still be right."""
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
        )  # made here, not by the first request

    def selection(self, account: Account) -> FilterSelection:
        """The destinations of an account of this table; built at its first update."""
        found = self._selections.get(account.name)
        if found is None:
            found = self._selections[account.name] = FilterSelection(account, self.table)
        return found
