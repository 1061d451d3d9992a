"""The benchmark of definitions compares equal work: both readers give the same update."""

from importlib.resources import files

import pytest

import definitions
from aggregators.bodies import NOW
from trackpush_aggregators import decode, parse
from trackpush_api.vocabulary import Aggregator

FIELDS = (
    *("shipment", "awb", "order_id", "status", "direction", "courier", "remark", "location", "occurred_at"),
    "estimated_delivery",
)


@pytest.mark.parametrize("name", definitions.NAMES)
def test_the_definition_of_the_benchmark_reads_what_the_module_reads(name: str) -> None:
    body = (files("trackpush_aggregators") / "samples" / "shiprocket" / f"{name}.json").read_bytes()
    (by_module,), (by_definition,) = (
        parse(reader, decode(body), body, key=None, received_at=NOW).updates
        for reader in (Aggregator.SHIPROCKET, definitions.definition())
    )
    for field in FIELDS:
        assert getattr(by_definition, field) == getattr(by_module, field), field


def test_the_benchmark_measures_both() -> None:
    found = definitions.measure(rounds=1, times=1)
    assert min(found.decoding, found.module, found.definition) > 0
