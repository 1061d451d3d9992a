"""The watched namespaces, and the treatment of other namespaces' entries in a routing table. Pure."""

from collections import Counter
from typing import NamedTuple

from trackpush_operator.store.shard_revisions import ShardedTable


class Scope(NamedTuple):
    """Where the operator works."""

    namespaces: frozenset[str] = frozenset()
    """Watched namespaces; none means all."""
    drops_others: bool = False
    """Take entries of other namespaces out of the routing tables."""
    shared: frozenset[str] | None = None
    """Namespaces whose WebhookServers also serve resources of other namespaces without ``serverRef``; None: all."""

    def watches(self, namespace: str) -> bool:
        """Whether this namespace is watched."""
        return not self.namespaces or namespace in self.namespaces

    def keeps(self, namespace: str) -> bool:
        """Whether entries of this namespace stay as they are, because nothing is known of their resources.

        A namespace that is missing from ``watch.namespaces`` may have been forgotten. Its resources can't be read, so
        they look as if they were deleted; but then aggregators would get 401 for keys that are still in use.
        """
        return not self.drops_others and not self.watches(namespace)


def unwatched(table: ShardedTable, scope: Scope) -> dict[str, int]:
    """Number of entries of unwatched namespaces in a table, by namespace."""
    if not scope.namespaces:
        return {}
    names = (name.partition("/")[0] for sort, name in table.ids() if sort in ("account", "destination"))
    return dict(sorted(Counter(name for name in names if scope.keeps(name)).items()))
