"""Who owns a key: of all AggregatorWebhooks of a server that claim it, the oldest. Pure."""

from bisect import insort
from typing import NamedTuple

from trackpush_api.accounts import KeyClaim
from trackpush_operator.objects import Key

Claim = tuple[str, KeyClaim]
"""The server (``namespace/name``) and the key."""


class _Claimant(NamedTuple):
    order: str
    key: Key


class Claims:
    """All claims of all AggregatorWebhooks."""

    def __init__(self) -> None:
        self._of: dict[Key, tuple[str, frozenset[Claim]]] = {}
        self._by: dict[Claim, list[_Claimant]] = {}

    def owner(self, claim: Claim) -> Key | None:
        """The oldest that claims it."""
        claimants = self._by.get(claim)
        return claimants[0].key if claimants else None

    def replace(self, key: Key, order: str, claims: frozenset[Claim]) -> set[Key]:
        """Replace what it claims; the others who gain or lose a key by that."""
        old_order, old = self._of.get(key, (order, frozenset[Claim]()))
        touched = old | claims if old_order != order else old ^ claims
        before = {claim: self.owner(claim) for claim in touched}
        for claim in touched & old:
            self._remove(claim, _Claimant(old_order, key))
        for claim in touched & claims:
            insort(self._by.setdefault(claim, []), _Claimant(order, key))
        if claims:
            self._of[key] = (order, claims)
        else:
            self._of.pop(key, None)
        changed = {claim for claim in touched if self.owner(claim) != before[claim]}
        others = {one for claim in changed for one in (before[claim], self.owner(claim)) if one is not None}
        return others - {key}

    def _remove(self, claim: Claim, claimant: _Claimant) -> None:
        claimants = self._by[claim]
        claimants.remove(claimant)
        if not claimants:
            del self._by[claim]
