"""Explains in the log why a request has no account, for the person who connects an aggregator. Pure.

The answer to the sender says less, because whoever guesses keys reads it, too. No text contains a key or a signature.
"""

from collections.abc import Iterable

from trackpush_api.aggregators import PROFILES
from trackpush_api.routing import RoutingTable, Signature
from trackpush_api.vocabulary import AggregatorName, slug_of
from trackpush_server.receiver import keys
from trackpush_server.receiver.answers import names_of_places
from trackpush_server.receiver.credentials import credentials, presented_keys
from trackpush_server.receiver.keys import Headers
from trackpush_server.receiver.served_aggregators import ServedAggregator


def why_unauthorized(
    table: RoutingTable,
    served: ServedAggregator,
    *,
    names: Iterable[AggregatorName],
    headers: Headers,
    query: str,
    path_key: str | None,
) -> str:
    """What is missing or wrong; ``names`` are those of all aggregators."""
    given = credentials(table, served, headers, query, path_key)
    if served.signature is not None and (given.match is not None or not served.all_of or not given.signatures):
        account = None if given.match is None else given.match.account.name
        return _wrong_signature(served.name, served.signature, given.signatures, account)
    if served.all_of:
        return _wrong_pair(served, headers, query)
    presented = [key for key in presented_keys(served, headers, query, path_key) if key]
    for key in presented:
        for name in names:
            account_of_other = keys.lookup(table, name, key)
            if account_of_other is not None and name != served.name:
                return f"its key is that of AggregatorWebhook {account_of_other.name}, whose aggregator is {name}"
    in_body = served.name in PROFILES and PROFILES[served.name].key_member is not None
    nobody = f"no AggregatorWebhook of {slug_of(served.name)} has its key"
    return nobody if presented else f"{nobody}, or it has none" if in_body else "it has no key"


def _wrong_signature(
    name: AggregatorName, signature: Signature, signatures: tuple[bytes, ...] | None, account: str | None
) -> str:
    header = signature.header
    if signatures is None:
        return f"it has no signature: the header {header} is missing"
    if not signatures:
        prefix = f" after {signature.prefix!r}" if signature.prefix else ""
        return f"the header {header} contains no HMAC-SHA256 in {signature.encoding}{prefix}"
    of_whom = f"AggregatorWebhook {account}" if account is not None else f"any AggregatorWebhook of {name}"
    return f"the signature in {header} was not made of this body with a key of {of_whom}"


def _wrong_pair(served: ServedAggregator, headers: Headers, query: str) -> str:
    for place in served.all_of:
        if not any(keys.in_places(place, headers, query)):
            return f"it has no key in {names_of_places(place)}"
    places = " and ".join(map(names_of_places, served.all_of))
    return f"the keys in {places} are not different keys of one AggregatorWebhook of {served.name}"
