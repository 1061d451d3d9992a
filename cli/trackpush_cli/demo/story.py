"""The demo's postings: first the package's samples, then invented shipments through their life cycle."""

import json
import random
import zlib
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime, timedelta
from importlib.resources import files
from typing import Any, NamedTuple

import msgspec

from trackpush_aggregators.updates import TrackingUpdate
from trackpush_api.routing import Account
from trackpush_api.vocabulary import Aggregator, AggregatorName, Status

Parse = Callable[[AggregatorName, bytes], Sequence[TrackingUpdate]]
Compose = Callable[[AggregatorName, str, str, datetime], bytes]
"""(aggregator, status, AWB, event time) -> body."""
Composable = Callable[[AggregatorName], Collection[Status]]
"""Maps an aggregator to the statuses for which it has a code."""


class Bodies(NamedTuple):
    """Functions that create and read bodies."""

    parse: Parse
    compose: Compose
    composable: Composable


S = Status
LIFE_CYCLES = {
    "delivery": (S.PICKED_UP, S.IN_TRANSIT, S.OUT_FOR_DELIVERY, S.DELIVERED),
    "second try": (S.PICKED_UP, S.IN_TRANSIT, S.OUT_FOR_DELIVERY, S.DELIVERY_FAILED, S.OUT_FOR_DELIVERY, S.DELIVERED),
    "RTO": (S.PICKED_UP, S.IN_TRANSIT, S.DELIVERY_FAILED, S.RTO_INITIATED, S.RTO_IN_TRANSIT, S.RTO_DELIVERED),
    "return": (S.RETURN_OUT_FOR_PICKUP, S.RETURN_PICKED_UP, S.RETURN_IN_TRANSIT, S.RETURN_DELIVERED),
}
"""The sequences of canonical statuses that the demo's shipments go through."""

_AT_ONCE = 6
"""Number of invented shipments in progress at the same time."""


class Posting(msgspec.Struct, frozen=True, kw_only=True):
    """One request to send."""

    label: str
    account: Account
    body: bytes
    updates: tuple[TrackingUpdate, ...]
    """The updates in the body; empty for a probe."""
    wanted: str | None = None
    """``direction/STATUS`` that must be read from the sample, if its case names it."""


def _account_for(accounts: Sequence[Account], aggregator: AggregatorName, shipment: str) -> Account:
    """One of the aggregator's accounts; always the same one for a shipment."""
    candidates = [account for account in accounts if account.aggregator == aggregator]
    return candidates[zlib.crc32(shipment.encode()) % len(candidates)]


def _expectation(case: dict[str, Any]) -> str | None:
    """The ``direction/STATUS`` in a case's text, e.g. of "event forward/IN_TRANSIT; shipment state …"."""
    words = str(case.get("expected", "")).replace(",", " ").replace(";", " ").split()
    return next((word for word in words if "/" in word), None)


def sample_postings(accounts: Sequence[Account], parse: Parse) -> list[Posting]:
    """One posting for each sample payload of the package, in the order of its cases.json."""
    folder = files("trackpush_aggregators") / "samples"
    postings = []
    for case in json.loads((folder / "cases.json").read_text()):
        aggregator = next(each for each in Aggregator if each.slug == case["aggregator"])
        body = (folder / case["file"]).read_bytes()
        updates = tuple(parse(aggregator, body))
        postings.append(
            Posting(
                label=case["file"].rsplit("/", 1)[-1].removesuffix(".json"),
                account=_account_for(accounts, aggregator, updates[0].shipment if updates else ""),
                body=body,
                updates=updates,
                wanted=_expectation(case) if updates else None,
            )
        )
    return postings


class _Shipment:
    """An invented shipment and its remaining events."""

    def __init__(self, account: Account, known: Collection[Status], rng: random.Random, now: datetime) -> None:
        self.account = account
        self.cycle = rng.choice(list(LIFE_CYCLES))
        self.ahead = [status for status in LIFE_CYCLES[self.cycle] if status in known]
        self.awb = f"7{rng.randrange(10**11):011d}"
        # All events are in the past hours, so that no event time is in the future.
        self.time = now - timedelta(hours=12, seconds=rng.randrange(3600))


def invented_postings(
    accounts: Sequence[Account],
    bodies: Bodies,
    rng: random.Random,
    now: Callable[[], datetime],
) -> Iterator[Posting]:
    """Endless postings: several shipments at a time, each through one of `LIFE_CYCLES`, mixed."""
    under_way: list[_Shipment] = []
    while True:
        while len(under_way) < _AT_ONCE:
            account = rng.choice(accounts)
            under_way.append(_Shipment(account, bodies.composable(account.aggregator), rng, now()))
        shipment = rng.choice(under_way)
        status = shipment.ahead.pop(0)
        shipment.time += timedelta(hours=1, seconds=rng.randrange(3000))
        if not shipment.ahead:
            under_way.remove(shipment)
        body = bodies.compose(shipment.account.aggregator, status, shipment.awb, shipment.time)
        yield Posting(
            label=f"{shipment.cycle}: {status}",
            account=shipment.account,
            body=body,
            updates=tuple(bodies.parse(shipment.account.aggregator, body)),
        )
