"""The directions of canonical statuses, and the meaning of a forward status on a return.

Source: §4.2 and the two canonical columns of §1.4 and §2.3.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache

from trackpush_api.vocabulary import Direction, Status

S = Status

FAMILY: dict[Status, Direction] = {
    status: Direction.RTO if status.startswith("RTO_") else Direction.REVERSE
    for status in Status
    if status.startswith(("RTO_", "RETURN_", "EXCHANGE_"))
}
"""The direction of statuses that have one of their own."""

RETURN_OF: dict[Status, Status] = {
    S.CREATED: S.RETURN_PICKUP_PENDING,
    S.PICKUP_PENDING: S.RETURN_PICKUP_PENDING,
    S.OUT_FOR_PICKUP: S.RETURN_OUT_FOR_PICKUP,
    S.PICKUP_FAILED: S.RETURN_PICKUP_FAILED,
    S.PICKED_UP: S.RETURN_PICKED_UP,
    S.IN_TRANSIT: S.RETURN_IN_TRANSIT,
    S.AT_DESTINATION: S.RETURN_IN_TRANSIT,
    S.AVAILABLE_FOR_PICKUP: S.RETURN_IN_TRANSIT,
    S.DELAYED: S.RETURN_IN_TRANSIT,
    S.ON_HOLD: S.RETURN_IN_TRANSIT,
    S.OUT_FOR_DELIVERY: S.RETURN_OUT_FOR_DELIVERY,
    S.DELIVERY_FAILED: S.RETURN_DELIVERY_FAILED,
    S.DELIVERED: S.RETURN_DELIVERED,
    S.CANCELLED: S.RETURN_CANCELLED,
    # A return has no RTO: what an aggregator means by it is not known (§2.3, columns for is_return 1).
    S.RTO_INITIATED: S.UNKNOWN,
    S.RTO_IN_TRANSIT: S.UNKNOWN,
    S.RTO_OUT_FOR_DELIVERY: S.UNKNOWN,
    S.RTO_FAILED: S.UNKNOWN,
    S.RTO_DELIVERED: S.UNKNOWN,
}
"""How a forward status reads on a return; those not listed read the same."""

RTO_OF: dict[Status, Status] = {
    S.IN_TRANSIT: S.RTO_IN_TRANSIT,
    S.AT_DESTINATION: S.RTO_IN_TRANSIT,
    S.AVAILABLE_FOR_PICKUP: S.RTO_IN_TRANSIT,
    S.DELAYED: S.RTO_IN_TRANSIT,
    S.ON_HOLD: S.RTO_IN_TRANSIT,
    S.OUT_FOR_DELIVERY: S.RTO_OUT_FOR_DELIVERY,
    S.DELIVERY_FAILED: S.RTO_FAILED,
    S.DELIVERED: S.RTO_DELIVERED,
}
"""How a forward status reads where the label says that the shipment is on its way back undelivered."""

_NAMES = {status.value: status for status in Status}


def filter_codes(status: Status, *given: str | None) -> tuple[str, ...]:
    """The aggregator's codes and labels by which a filter may select an update of this status, without duplicates.

    A filter may also contain canonical statuses, so a label that is the name of another status is left out.
    Shiprocket's label of a return that reached the seller is "DELIVERED", and a filter for DELIVERED must not match it.
    """
    return tuple(dict.fromkeys(code for code in given if code is not None and not _misleads(code, status)))


def _misleads(code: str, status: Status) -> bool:
    return named_status(code) not in {None, status}


def named_status(text: str) -> Status | None:
    """The canonical status whose name this is, with any case, and with spaces or ``-`` instead of ``_``."""
    return _NAMES.get(text.upper().replace(" ", "_").replace("-", "_"))


def fold(label: str) -> str:
    """A label without case, spaces, ``_`` and ``-``: "RTO_OFD", "RTO OFD" and "Rto-ofd" are equal."""
    return "".join(filter(str.isalnum, label)).upper()


_RTO, _RETURN, _PARTIAL = "RTO", "RETURN", "PARTIAL"
_BACK = (_RTO, "REACHEDBACK", "RETURNED", "RETURNTO")
_OWN = {fold(status): status for status in FAMILY}
_LOSSES = {S.LOST: S.LOST, S.DAMAGED: S.DAMAGED}


@lru_cache(maxsize=4096)
def turned(label: str | None) -> Direction | None:
    """The direction that a label begins with: RTO and REACHED BACK are rto, RETURN is reverse, None for all others.

    RETURNED and RETURN TO (origin, seller, shipper) are an RTO in other words. PARTIAL before them changes nothing.
    """
    folded = "" if label is None else fold(label).removeprefix(_PARTIAL)
    if folded.startswith(_BACK):
        return Direction.RTO
    return Direction.REVERSE if folded.startswith(_RETURN) else None


def turned_status(folded: str, known: Callable[[str], Status | None]) -> Status | None:
    """The status of a label that is in no table and begins with RTO or RETURN; ``known`` reads what follows.

    None if the rest is unknown or has no meaning for a shipment on its way back ("RTO Cancelled").
    """
    if folded in _OWN:
        return _OWN[folded]
    if folded.startswith(_RTO):
        rest = known(folded.removeprefix(_RTO))
        return None if rest is None else (RTO_OF | _LOSSES).get(rest)
    rest = known(folded.removeprefix(_RETURN)) if folded.startswith(_RETURN) else None
    return None if rest is None else RETURN_OF.get(rest, rest)


def never_forward(status: Status, direction: Direction, labels: Iterable[Direction | None]) -> tuple[Status, Direction]:
    """Status and direction, corrected where a label contradicts "forward": ``labels`` are what `turned` says."""
    label = next(filter(None, labels), None)
    if direction is not Direction.FORWARD or label is None:
        return status, direction
    readings = RTO_OF if label is Direction.RTO else RETURN_OF
    return readings.get(status, status), label


def by_label(rows: Iterable[tuple[str, Status]]) -> dict[str, Status]:
    """Statuses by folded label; labels with two statuses are left out."""
    found: dict[str, Status] = {}
    ambiguous: set[str] = set()
    for label, status in rows:
        if found.setdefault(fold(label), status) is not status:
            ambiguous.add(fold(label))
    return {label: status for label, status in found.items() if label not in ambiguous}
