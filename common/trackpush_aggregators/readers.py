"""The readers of all aggregators, by name."""

from collections.abc import Iterable, Iterator

from trackpush_aggregators.clickpost import parser as clickpost
from trackpush_aggregators.reader import Reader
from trackpush_aggregators.shiprocket import parser as shiprocket
from trackpush_aggregators.shipway import parser as shipway
from trackpush_api.vocabulary import Aggregator

BUILT_IN: dict[str, Reader] = {
    Aggregator.CLICKPOST: Reader(name=Aggregator.CLICKPOST, updates=clickpost.updates),
    Aggregator.SHIPROCKET: Reader(name=Aggregator.SHIPROCKET, updates=shiprocket.updates),
    Aggregator.SHIPWAY: Reader(name=Aggregator.SHIPWAY, updates=shipway.updates, body_key=shipway.body_key),
}


class Readers:
    """The built-in readers, and given ones. A built-in name can't be replaced."""

    def __init__(self, given: Iterable[Reader] = ()) -> None:
        self._given = {reader.name: reader for reader in given}

    def get(self, name: str) -> Reader | None:
        """The reader of an aggregator, by the name in ``spec.aggregator``; None if there is none."""
        return BUILT_IN.get(name) or self._given.get(name)

    def __iter__(self) -> Iterator[Reader]:
        yield from BUILT_IN.values()
        yield from (reader for name, reader in self._given.items() if name not in BUILT_IN)


def reader_of(aggregator: Reader | str) -> Reader:
    """The reader itself, or the built-in one of this name.

    Raises:
        KeyError: no built-in aggregator has this name.
    """
    return aggregator if isinstance(aggregator, Reader) else BUILT_IN[aggregator]
