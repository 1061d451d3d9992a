"""Counts the secrets of each server's accounts at aggregators that sign their bodies. No I/O.

Counting a whole table for each change would take long for servers with thousands of accounts.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping

from trackpush_api.routing import Account
from trackpush_api.signature_bounds import MOST_SECRETS
from trackpush_api.vocabulary import AggregatorName
from trackpush_operator.store.shard_revisions import Entry, ShardedTable


class SecretCounts:
    """The counts of all servers."""

    def __init__(self) -> None:
        self._counts: defaultdict[str, Counter[AggregatorName]] = defaultdict(Counter)

    def of(self, server: str) -> Mapping[AggregatorName, int]:
        """The number of secrets of each aggregator."""
        return self._counts[server]

    def start(self, table: ShardedTable) -> None:
        """Count the accounts of a table, which is new to this process."""
        self._counts[table.server] = Counter()
        for what in table.ids():
            self.replace(table.server, None, table.part_of(what).entries[what])

    def replace(self, server: str, before: Entry | None, after: Entry | None) -> bool:
        """Count an entry instead of the one before; returns whether a warning about the server may change."""
        counts = self._counts[server]
        touched = {
            entry.aggregator: counts[entry.aggregator] for entry in (before, after) if isinstance(entry, Account)
        }
        for entry, sign in ((before, -1), (after, 1)):
            if isinstance(entry, Account):
                counts[entry.aggregator] += sign * len(entry.secrets)
        return any(count != counts[name] and max(count, counts[name]) > MOST_SECRETS for name, count in touched.items())
