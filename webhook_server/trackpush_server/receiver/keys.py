"""Finds the key in a request, in the places that the README names. Pure.

Panels put the key in different places and proxies add their own headers, so a place with another value does
not cause a refusal: all places are tried in order, and the first key that the routing table knows wins. A caller can
only present more keys that way, not learn more: every answer without a match is the same.
"""

import hmac
from collections.abc import Iterator
from typing import NamedTuple, Protocol
from urllib.parse import parse_qsl, unquote

from trackpush_api.aggregators import KEY_HEADERS
from trackpush_api.routing import Account, RoutingTable, digest_key
from trackpush_api.vocabulary import AggregatorName

_AUTHORIZATION = "Authorization"
_BEARER = "bearer "
_PARAMETERS = frozenset({"key", "token"})
_MOST_PARAMETERS = 64
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


def candidates(headers: Headers, query: str, path_key: str | None) -> Iterator[str]:
    """All candidates for the key, in order, except those in the body.

    ``query`` is the raw query string, ``path_key`` the raw segment after ``/notify/``.
    """
    for name in KEY_HEADERS:
        if name in headers:
            yield from headers.getall(name, ())
    if _AUTHORIZATION in headers:
        for value in headers.getall(_AUTHORIZATION, ()):
            yield value
            if value[: len(_BEARER)].lower() == _BEARER:
                yield value[len(_BEARER) :].strip()
    if query:
        yield from _in_query(query)
    if path_key:
        yield unquote(path_key, errors="surrogateescape")


def find(table: RoutingTable, aggregator: AggregatorName, presented: Iterator[str]) -> Match | None:
    """The first of the presented keys that an account of this aggregator accepts."""
    for key in presented:
        if key and (account := lookup(table, aggregator, key)) is not None:
            return Match(account, key)
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


def _in_query(query: str) -> Iterator[str]:
    try:
        fields = parse_qsl(query, max_num_fields=_MOST_PARAMETERS, errors="surrogateescape")
    except ValueError:  # more fields than anyone with a key sends
        return
    for name, value in fields:
        if name in _PARAMETERS:
            yield value
    if "+" in query:  # a "+" that was pasted into a URL as it is, not meant as a space
        for name, value in parse_qsl(query.replace("+", "%2B"), errors="surrogateescape"):
            if name in _PARAMETERS:
                yield value
