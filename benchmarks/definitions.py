"""An AggregatorDefinition that reads Shiprocket's bodies, beside the module: CPU per update, interleaved rounds."""

import time
from collections.abc import Callable, Sequence
from importlib.resources import files
from statistics import median
from typing import Any, Final

import msgspec

from trackpush_aggregators import BUILT_IN, Reader, decode, parse
from trackpush_aggregators.definition import compile_definition
from trackpush_aggregators.shiprocket import codes
from trackpush_aggregators.taxonomy import RETURN_OF
from trackpush_api.kinds.aggregator_definition import AggregatorDefinitionSpec
from trackpush_api.vocabulary import Aggregator, Status

NAMES: Final = ("01_in_transit", "02_delivered", "03_undelivered_ndr", "05_rto_initiated", "08_return_delivered")
_RECEIVED: Final = 1_790_000_000_000
SHIPROCKET: Final[dict[str, Any]] = {
    "path": "likeshiprocket",
    "timezone": "Asia/Kolkata",
    "fields": {
        "awb": "awb",
        "orderId": ["order_id", "sr_order_id"],
        "courier": "courier_name",
        "remark": "scans[-1].activity",
        "location": "scans[-1].location",
        "occurredAt": ["current_timestamp", "scans[-1].date"],
        "estimatedDelivery": "etd",
        "proofOfDelivery": "pod",
    },
    "status": {
        "code": ["is_return", "current_status_id", "shipment_status_id"],
        "label": ["current_status", "shipment_status"],
    },
    "direction": {"of": "is_return", "table": {"1": "Reverse"}},
    "identity": ["awb", "status", "body.scans[-1].date", "body.scans[-1].status", "occurredAt"],
}
"""Everything of the module but the search for the newest scan, which the language cannot express: the last is taken."""


class ReadingCost(msgspec.Struct, frozen=True):
    """Microseconds of CPU for one update."""

    decoding: float
    module: float
    definition: float

    @property
    def ratio(self) -> float:
        """Of parsing alone: decoding is the same for both."""
        return self.definition / self.module


def definition() -> Reader:
    """The definition, with a row for each status of both tables of the module."""
    orders = [(number, status) for number, (_, status) in codes.ORDER_STATUSES.items()]
    shipments = [(number, status) for number, (_, status) in codes.SHIPMENT_STATUSES.items()]
    returns = [(number, RETURN_OF.get(status, status)) for number, status in orders]
    rows = [*_rows("1", 1, returns), *_rows("*", 1, orders), *_rows("*", 2, shipments)]
    spec = SHIPROCKET | {"status": SHIPROCKET["status"] | {"table": rows}}
    return compile_definition("likeshiprocket", AggregatorDefinitionSpec.model_validate(spec))


def _rows(returned: str, place: int, statuses: Sequence[tuple[int, Status]]) -> list[dict[str, Any]]:
    made = []
    for number, status in statuses:
        when = [returned, "*", "*"]
        when[place] = str(number)
        made.append({"when": when, "status": status.value})
    return made


def measure(*, rounds: int = 7, times: int = 400) -> ReadingCost:
    """The medians of interleaved rounds over real bodies."""
    folder = files("trackpush_aggregators") / "samples" / "shiprocket"
    bodies = [(folder / f"{name}.json").read_bytes() for name in NAMES]
    documents = [(decode(body), body) for body in bodies]
    ways: dict[str, Callable[[], None]] = {
        "decoding": lambda: _decode(bodies),
        "module": lambda: _parse(BUILT_IN[Aggregator.SHIPROCKET], documents),
        "definition": lambda: _parse(defined, documents),
    }
    defined = definition()
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, run in ways.items():
            begun = time.process_time()
            for _ in range(times):
                run()
            found[name].append((time.process_time() - begun) / times / len(bodies) * 1e6)
    return ReadingCost(**{name: median(costs) for name, costs in found.items()})


def _decode(bodies: Sequence[bytes]) -> None:
    for body in bodies:
        decode(body)


def _parse(reader: Reader, documents: Sequence[tuple[Any, bytes]]) -> None:
    for document, body in documents:
        parse(reader, document, body, key=None, received_at=_RECEIVED)
