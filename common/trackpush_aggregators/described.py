"""How an aggregator authenticates its requests, in words."""

from trackpush_api.aggregators import profile
from trackpush_api.routing import Definition, KeyPlaces
from trackpush_api.vocabulary import Aggregator


def built_in_authentication(aggregator: Aggregator) -> str:
    facts = profile(aggregator)
    return "key in the URL or the body" if facts.key_in_url else f"key in {facts.key_headers[0]}"


def authentication(definition: Definition) -> str:
    if definition.signature is not None:
        return f"signature in {definition.signature.header}"
    if definition.all_of:
        return f"keys in {' and '.join(map(_names, definition.all_of))}"
    return f"key in {_names(definition.key_places) or 'the URL'}"


def _names(places: KeyPlaces) -> str:
    return "/".join((*places.headers, *places.query))
