"""Finds the key in a request, in the places that the README names. Pure.

Panels put the key in different places and proxies add their own headers, so a place with another value does
not cause a refusal: all places are tried in order, and the first key that the routing table knows wins. A caller can
only present more keys that way, not learn more: every answer without a match is the same.
"""

import hmac
from collections.abc import Iterator, Sequence
from itertools import islice, product
from typing import NamedTuple, Protocol
from urllib.parse import parse_qsl, unquote

from trackpush_api.aggregators import KEY_HEADERS
from trackpush_api.routing import Account, KeyPlaces, RoutingTable, digest_key
from trackpush_api.vocabulary import AggregatorName

_AUTHORIZATION = "Authorization"
_BEARER = "bearer "
_SCHEMES = frozenset({"bearer", "token"})
_PARAMETERS = frozenset({"key", "token"})
_MOST_PARAMETERS = 64
_MOST_VALUES = 4
"""Values of each place of `find_all_of`; more are ignored."""
NO_PLACES = KeyPlaces()
HEADER_NAMES = (*KEY_HEADERS, _AUTHORIZATION)
"""All headers that may contain a key, in the order of the search."""


class Headers(Protocol):
    """The methods of a multi-dict of headers that are needed; lookup ignores case."""

    def getall(self, key: str, default: tuple[str, ...]) -> "list[str] | tuple[str, ...]": ...

    def __contains__(self, key: object) -> bool: ...


class Match(NamedTuple):
    """A presented key that is valid, and its account."""

    account: Account
    key: str
    others: tuple[str, ...] = ()
    """Further keys of the account in the same request."""


def candidates(headers: Headers, query: str, path_key: str | None, own: KeyPlaces = NO_PLACES) -> Iterator[str]:
    """All candidates for the key, in order, except those in the body.

    ``query`` is the raw query string, ``path_key`` the raw segment after ``/notify/``. ``own`` are the places of the
    aggregator's definition.
    """
    if own is not NO_PLACES:
        yield from in_places(own, headers, query)
    for name in KEY_HEADERS:
        if name in headers:
            yield from headers.getall(name, ())
    if _AUTHORIZATION in headers:
        for value in headers.getall(_AUTHORIZATION, ()):
            yield value
            if value[: len(_BEARER)].lower() == _BEARER:
                yield value[len(_BEARER) :].strip()
    if query:
        yield from _in_query(query, _PARAMETERS)
    yield from in_path(path_key)


def in_path(path_key: str | None) -> Iterator[str]:
    """The key in the URL after ``/notify/``."""
    if path_key:
        yield unquote(path_key, errors="surrogateescape")


def in_places(places: KeyPlaces, headers: Headers, query: str) -> Iterator[str]:
    """Candidates in the places of a definition; a header's value also without a leading ``Bearer`` or ``Token``."""
    for name in places.headers:
        for value in headers.getall(name, ()):
            yield value
            scheme, _, rest = value.partition(" ")
            if scheme.lower() in _SCHEMES:
                yield rest.strip()
    if query and places.query:
        yield from _in_query(query, frozenset(places.query))


def find(table: RoutingTable, aggregator: AggregatorName, presented: Iterator[str]) -> Match | None:
    """The first of the presented keys that an account of this aggregator accepts."""
    for key in presented:
        if key and (account := lookup(table, aggregator, key)) is not None:
            return Match(account, key)
    return None


def find_all_of(
    table: RoutingTable, aggregator: AggregatorName, places: Sequence[KeyPlaces], headers: Headers, query: str
) -> Match | None:
    """The account that has a key in each of the places: as many different ones as it has keys, or there are places."""
    presented = [tuple(islice(in_places(place, headers, query), _MOST_VALUES)) for place in places]
    for key in presented[0]:
        account = lookup(table, aggregator, key)
        if account is None:
            continue
        its_keys = [[key for key in found if lookup(table, aggregator, key) is account] for found in presented]
        different = min(len(set(account.key_digests)), len(places))
        for chosen in product(*its_keys):
            if len(set(chosen)) >= different:
                return Match(account, chosen[0], chosen[1:])
    return None


def lookup(table: RoutingTable, aggregator: AggregatorName, key: str) -> Account | None:
    """The account that accepts this key.

    The dict look-up reveals nothing of a key, since a caller can't choose the bytes of a SHA-256; the comparison in
    constant time keeps it so whatever the dict does.
    """
    digest = digest_key(key)
    account = table.account_by_digest.get((aggregator, digest))
    if account is None or not any(hmac.compare_digest(digest, known) for known in account.key_digests):
        return None
    return account


def is_in_grace(table: RoutingTable, aggregator: AggregatorName, presented: Iterator[str], now: float) -> bool:
    """Whether one of the presented keys is in grace; ``now`` is in seconds since the epoch."""
    ends = table.grace_by_digest
    return bool(ends) and any(ends.get((aggregator, digest_key(key)), 0) > now for key in presented if key)


def _in_query(query: str, names: frozenset[str]) -> Iterator[str]:
    try:
        fields = parse_qsl(query, max_num_fields=_MOST_PARAMETERS, errors="surrogateescape")
    except ValueError:  # more fields than anyone with a key sends
        return
    for name, value in fields:
        if name in names:
            yield value
    if "+" in query:  # a "+" that was pasted into a URL as it is, not meant as a space
        for name, value in parse_qsl(query.replace("+", "%2B"), errors="surrogateescape"):
            if name in names:
                yield value
