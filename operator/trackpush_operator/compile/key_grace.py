"""Keys whose Secret is missing: requests with them get 503 for a while, not 401. Pure.

Tools such as External Secrets or ``kubectl replace --force`` delete a Secret and create it again some seconds later. An
aggregator may drop an update after a 401, but it repeats an update after a 503. So if a key's Secret disappears, the
key stays in the routing table for a minute, marked with the end of this grace period.

The marks are in the shard itself. An operator that restarts reads them there, and a server needs no operator to know
when the grace period ends.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from trackpush_api.problems import Problem, Severity
from trackpush_api.routing import Account, GraceKey

GRACE_SECONDS: Final = 60.0
"""Seconds for which a key is kept after its Secret disappeared."""


def lacks_keys(problems: Iterable[Problem]) -> bool:
    """Whether an AggregatorWebhook names keys that its Secrets don't contain at the moment."""
    return any(
        problem.severity is Severity.ERROR
        and problem.condition == "ResolvedRefs"
        and (problem.field or "").startswith("spec.keys[")
        for problem in problems
    )


def with_grace(account: Account | None, before: Account | None, *, now: float, seconds: float) -> Account | None:
    """The account of an AggregatorWebhook that lacks keys, including its previous keys in grace.

    The operator doesn't know which key was in the missing Secret. So all previous keys that are no longer served get
    the grace period.
    """
    if before is None or (account is not None and account.aggregator != before.aggregator):
        return account
    served = frozenset(() if account is None else account.key_digests)
    ends = dict.fromkeys(before.key_digests, int(now + seconds)) | {key.digest: key.until for key in before.grace}
    kept = tuple(GraceKey(digest=digest, until=ends[digest]) for digest in sorted(ends.keys() - served))
    lasting = tuple(key for key in kept if key.until > now)
    if not lasting:
        return account
    secrets = () if account is None else account.secrets
    return msgspec.structs.replace(account or before, key_digests=tuple(served), secrets=secrets, grace=lasting)


def first_end(account: Account | None) -> float | None:
    """The earliest end of a grace period of an account, in seconds since the epoch."""
    return min((key.until for key in account.grace), default=None) if account is not None else None
