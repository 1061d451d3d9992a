"""The bound of the search for the account that signed a request, and a warning about servers that exceed it. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from trackpush_api.manifest import Resource
from trackpush_api.problems import Problem, Severity
from trackpush_api.routing import Account
from trackpush_api.vocabulary import AggregatorName

MOST_SECRETS: Final = 2000
"""Secrets that a server tries for a signed request without a known key."""


def count_secrets(accounts: Iterable[Account]) -> Mapping[AggregatorName, int]:
    """The number of secrets of each aggregator that signs its bodies."""
    counts: Counter[AggregatorName] = Counter()
    for account in accounts:
        counts[account.aggregator] += len(account.secrets)
    return counts


def warn_of_secrets(server: Resource, counts: Mapping[AggregatorName, int]) -> Iterator[Problem]:
    """A warning for each aggregator with more secrets than a server tries."""
    for name, count in sorted(counts.items()):
        if count > MOST_SECRETS:
            message = (
                f"the accounts of {name} have {count:,} secrets, but at most {MOST_SECRETS:,} are tried for a signed"
                " request without a key, so it may get 401; put the key into the URL of each account (/notify/KEY)"
            )
            yield server.problem("spec", message, Severity.WARNING)
