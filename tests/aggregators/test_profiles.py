"""The codes that messages suggest are those by which bodies are read."""

from collections import defaultdict

import pytest

from trackpush_aggregators.clickpost import codes as clickpost
from trackpush_aggregators.shiprocket import codes as shiprocket
from trackpush_aggregators.shipway import codes as shipway
from trackpush_api.aggregators import PROFILES
from trackpush_api.vocabulary import Aggregator, Status

READ: dict[Aggregator, list[tuple[str, Status]]] = {
    Aggregator.CLICKPOST: [(str(code), row.forward) for code, row in clickpost.STATUSES.items()],
    Aggregator.SHIPROCKET: [
        (str(code), status)
        for table in (shiprocket.ORDER_STATUSES, shiprocket.SHIPMENT_STATUSES)
        for code, (_, status) in table.items()
    ],
    Aggregator.SHIPWAY: [(code, row.status) for code, row in shipway.STATUSES.items()],
}


@pytest.mark.parametrize("aggregator", Aggregator)
def test_every_code_that_is_read_is_known_by_what_it_means(aggregator: Aggregator) -> None:
    read: dict[Status, set[str]] = defaultdict(set)
    for code, status in READ[aggregator]:
        read[status].add(code)
    assert {status: set(codes) for status, codes in PROFILES[aggregator].codes.items()} == read
