"""The owner of a key: the AggregatorWebhook that claims it first; of several at the same time, the oldest. Pure.

The owner keeps a key as long as it claims it, even if others claim it, too. When the owner stops claiming it (GitOps
deletes and creates it again, or its Secret is missing for a moment), the key stays reserved for the owner's namespace
for a while. Otherwise another tenant that knows the key would get the owner's updates in between, and would keep the
key.
"""

from bisect import insort
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from trackpush_api.accounts import KeyClaim
from trackpush_operator.options import KEY_MEMORY
from trackpush_operator.store.objects import Key

Claim = tuple[str, KeyClaim]
"""A server (``namespace/name``) and a key."""


class Holder(NamedTuple):
    """The owner of a key."""

    key: Key
    until: float | None = None
    """If it no longer claims the key: when the key becomes free, in seconds since the epoch."""
    is_final: bool = True
    """False while some resources are still unknown, because an older one may appear."""


class _Claimant(NamedTuple):
    order: str
    key: Key


class Touched(NamedTuple):
    """The resources that a change affects."""

    claimants: set[Key]
    """Other resources that gain or lose a key."""
    holders: set[Key]
    """Resources for which the reserved keys have changed."""


class KeyClaims:
    """All claims of all AggregatorWebhooks.

    Without ``memory`` (seconds), a key always belongs to the oldest claimant.
    """

    def __init__(self, memory: float = KEY_MEMORY) -> None:
        self._memory = memory
        self._of: dict[Key, tuple[str, frozenset[Claim]]] = {}
        self._by: dict[Claim, list[_Claimant]] = {}
        self._holders: dict[Claim, Holder] = {}
        self._reserved: defaultdict[Key, set[Claim]] = defaultdict(set)

    def owner(self, claim: Claim) -> Key | None:
        """The owner of the key, or the resource for which it is reserved."""
        found = self._holders.get(claim)
        return None if found is None else found.key

    def claimed_by(self, key: Key) -> frozenset[Claim]:
        """The claims of an AggregatorWebhook."""
        return self._of.get(key, ("", frozenset()))[1]

    def reserved_for(self, key: Key) -> dict[Claim, float]:
        """The keys that are reserved for the resource, and until when."""
        holders = ((claim, self._holders[claim]) for claim in self._reserved.get(key, ()))
        return {claim: holder.until for claim, holder in holders if holder.until is not None}

    def adopt(self, claims: Iterable[Claim], key: Key, until: float | None = None) -> None:
        """Start with the owners of keys in the routing table; with ``until``, the keys are reserved."""
        for claim in claims if self._memory else ():
            self._hold(claim, Holder(key, until))

    def finish(self, server: str) -> None:
        """Record that all resources of a server's table are known: the current owners keep their keys."""
        for claim, holder in self._holders.items():
            if claim[0] == server:
                self._holders[claim] = holder._replace(is_final=True)

    def replace(
        self, key: Key, order: str, claims: frozenset[Claim], *, now: float = 0.0, is_final: bool = True
    ) -> Touched:
        """Replace the claims of a resource, and free expired reservations."""
        old_order, old = self._of.get(key, (order, frozenset[Claim]()))
        touched = old | claims if old_order != order else old ^ claims
        for claim in touched & old:
            self._remove(claim, _Claimant(old_order, key))
        for claim in touched & claims:
            insort(self._by.setdefault(claim, []), _Claimant(order, key))
        if claims:
            self._of[key] = (order, claims)
        else:
            self._of.pop(key, None)
        return self._settle(key, touched | self._reserved.get(key, set()), now, is_final=is_final)

    def _settle(self, key: Key, touched: Iterable[Claim], now: float, *, is_final: bool) -> Touched:
        claimants: set[Key] = set()
        holders: set[Key] = set()
        for claim in list(touched):
            before = self._holders.get(claim)
            after = self._choose(claim, before, now, is_final=is_final)
            self._hold(claim, after)
            if before == after:
                continue
            both = {claim.key for claim in (before, after) if claim is not None}
            holders |= both
            if before is None or after is None or before.key != after.key:
                claimants |= both
        return Touched(claimants - {key}, holders)

    def _choose(self, claim: Claim, before: Holder | None, now: float, *, is_final: bool) -> Holder | None:
        claimants = self._by.get(claim, [])
        oldest = Holder(claimants[0].key, None, is_final) if claimants else None
        if before is None or not before.is_final or not self._memory:
            return oldest
        keys = [claimant.key for claimant in claimants]
        if before.key in keys:
            return before._replace(until=None)
        for key in keys:
            if key.namespace == before.key.namespace:  # another resource of the same tenant
                return Holder(key)
        if before.until is None:
            return before._replace(until=now + self._memory)
        return before if now < before.until else oldest

    def _hold(self, claim: Claim, holder: Holder | None) -> None:
        before = self._holders.pop(claim, None)
        if before is not None:
            self._reserved[before.key].discard(claim)
            if not self._reserved[before.key]:
                del self._reserved[before.key]
        if holder is not None:
            self._holders[claim] = holder
            if holder.until is not None:
                self._reserved[holder.key].add(claim)

    def _remove(self, claim: Claim, claimant: _Claimant) -> None:
        claimants = self._by[claim]
        claimants.remove(claimant)
        if not claimants:
            del self._by[claim]
