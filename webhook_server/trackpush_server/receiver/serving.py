"""What the receiver derives from one routing table. A request takes it once, so a reload never changes it midway."""

from trackpush_api.routing import RoutingTable
from trackpush_server.receiver.filters import Selection
from trackpush_server.receiver.routes import Routes


class Serving:
    """One routing table, made ready. Immutable for its users."""

    __slots__ = ("limits", "routes", "selections", "table")

    def __init__(self, table: RoutingTable) -> None:
        self.table = table
        self.limits = table.server.limits
        self.routes = Routes(table.server)
        self.selections = {account.name: Selection(account, table) for account in table.accounts}
        """By account name."""
