"""What the head of a request contains to authenticate it: a known key, a signature, or both. Pure."""

from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

from trackpush_api.routing import RoutingTable
from trackpush_server.receiver import keys, signatures
from trackpush_server.receiver.keys import Headers, Match
from trackpush_server.receiver.served_aggregators import ServedAggregator


class Credentials(NamedTuple):
    """``match`` is the account of a known key. Where there is a signature, one of its secrets must have made it."""

    match: Match | None
    signatures: tuple[bytes, ...] | None = None
    """As `signatures.presented`: None without the header, empty if it can't be read."""


def credentials(
    table: RoutingTable, served: ServedAggregator, headers: Headers, query: str, path_key: str | None
) -> Credentials:
    """The credentials of a request.

    A key in the URL's path is enough by itself. Any other key is not, if the aggregator signs its bodies and this one
    has no signature.
    """
    name = served.name
    if served.is_plain:
        return Credentials(keys.find(table, name, keys.candidates(headers, query, path_key, served.places)))
    given = None if served.signature is None else signatures.presented(headers, served.signature)
    match = keys.find(table, name, keys.in_path(path_key))
    if match is not None:
        return Credentials(match, given)
    if served.signature is not None and given is None:
        return Credentials(None)
    if served.all_of:
        return Credentials(keys.find_all_of(table, name, served.all_of, headers, query), given)
    return Credentials(keys.find(table, name, keys.candidates(headers, query, None, served.places)), given)


def presented_keys(served: ServedAggregator, headers: Headers, query: str, path_key: str | None) -> Iterator[str]:
    """All keys in the head, valid or not."""
    all_of = chain.from_iterable(keys.in_places(places, headers, query) for places in served.all_of)
    return chain(keys.candidates(headers, query, path_key, served.places), all_of)
