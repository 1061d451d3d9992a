"""Keys whose Secret is missing: posts with them get 503 for a while, not 401. Pure.

Tools such as External Secrets or ``kubectl replace --force`` delete a Secret and make it again some seconds later.
An aggregator may drop an update that was answered with 401, but it repeats one that was answered with 503. So a key
that was served until its Secret went stays in the routing table for a minute, marked with the end of its grace.

The marks are in the shard itself. An operator that restarts reads them there, and a server needs no operator to know
when the grace is over.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from trackpush_api.problems import Problem, Severity
from trackpush_api.routing import Account, GraceKey

GRACE_SECONDS: Final = 60.0
"""How long a key is remembered after its Secret went."""


def lacks_keys(problems: Iterable[Problem]) -> bool:
    """Whether an AggregatorWebhook names keys that its Secrets don't hold at the moment."""
    return any(
        problem.severity is Severity.ERROR
        and problem.condition == "ResolvedRefs"
        and (problem.field or "").startswith("spec.keys[")
        for problem in problems
    )


def with_grace(account: Account | None, before: Account | None, *, now: float, seconds: float) -> Account | None:
    """The account of an AggregatorWebhook that lacks keys, with the keys that were served before in grace.

    Which key belonged to the missing Secret is not known, so all that are served no longer get the grace.
    """
    if before is None or (account is not None and account.aggregator is not before.aggregator):
        return account
    served = frozenset(() if account is None else account.key_digests)
    ends = dict.fromkeys(before.key_digests, int(now + seconds)) | {key.digest: key.until for key in before.grace}
    kept = tuple(GraceKey(digest=digest, until=ends[digest]) for digest in sorted(ends.keys() - served))
    lasting = tuple(key for key in kept if key.until > now)
    if not lasting:
        return account
    return msgspec.structs.replace(account or before, key_digests=tuple(served), grace=lasting)


def first_end(account: Account | None) -> float | None:
    """The end of an account's first grace period, in seconds since the epoch."""
    return min((key.until for key in account.grace), default=None) if account is not None else None
