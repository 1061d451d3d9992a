"""The watched namespaces, and what happens to entries of other namespaces in a routing table. Pure."""

from collections import Counter
from typing import NamedTuple

from trackpush_operator.store.shard_revisions import ShardedTable


class Scope(NamedTuple):
    """The namespaces in which the operator works."""

    namespaces: frozenset[str] = frozenset()
    """Watched namespaces; none means all."""
    drops_others: bool = False
    """Whether to remove entries of other namespaces from the routing tables."""
    shared: frozenset[str] | None = None
    """Namespaces whose WebhookServers also serve resources of other namespaces without ``serverRef``; None: all."""

    def watches(self, namespace: str) -> bool:
        """Whether this namespace is watched."""
        return not self.namespaces or namespace in self.namespaces

    def keeps(self, namespace: str) -> bool:
        """Whether entries of this namespace stay as they are, because the operator can't see their resources.

        Somebody may have forgotten the namespace in ``watch.namespaces``. Its resources can't be read, so they look
        deleted. But if their entries were removed, aggregators would get 401 for keys that are still in use.
        """
        return not self.drops_others and not self.watches(namespace)


def unwatched(table: ShardedTable, scope: Scope) -> dict[str, int]:
    """Number of entries of unwatched namespaces in a table, by namespace."""
    if not scope.namespaces:
        return {}
    names = (name.partition("/")[0] for sort, name in table.ids() if sort in ("account", "destination"))
    return dict(sorted(Counter(name for name in names if scope.keeps(name)).items()))
