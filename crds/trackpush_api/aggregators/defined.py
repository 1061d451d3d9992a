"""AggregatorDefinitions in the routing table, and the facts about the aggregators that they define. Pure."""

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache

from trackpush_api.aggregators.profile import AggregatorProfile
from trackpush_api.kinds.aggregator_definition import (
    AggregatorDefinitionSpec,
    DefinedKey,
    DefinedKeyPlace,
    StatusRow,
)
from trackpush_api.routing import Definition, KeyPlaces, Signature
from trackpush_api.vocabulary import AggregatorName, Status

_USUAL_HEADER = "x-api-key"
"""Every aggregator's key may be there."""


def definition_of(name: AggregatorName, spec: AggregatorDefinitionSpec) -> Definition:
    """The definition as servers get it: equal specs give equal definitions."""
    key = spec.authentication.key or DefinedKey.model_validate({})
    signature = spec.authentication.signature
    return Definition(
        name=name,
        path=spec.path,
        key_places=_places(key),
        all_of=tuple(_places(place) for place in key.all_of),
        signature=None
        if signature is None
        else Signature(header=signature.header, encoding=signature.encoding, prefix=signature.prefix),
        max_body_bytes=spec.limits.max_body_bytes,
        spec=_encoded(spec),
    )


def in_use(
    given: Iterable[Definition], catalog: Mapping[AggregatorName, Definition]
) -> dict[AggregatorName, Definition]:
    """The definitions of a server by name: those of the catalog whose name and path are free, then the given ones."""
    own = {definition.name: definition for definition in given}
    paths = {definition.path for definition in own.values()}
    free = {
        name: definition for name, definition in catalog.items() if name not in own and definition.path not in paths
    }
    return free | own


@lru_cache(maxsize=1024)
def spec_of(definition: Definition) -> AggregatorDefinitionSpec:
    """The spec of a definition, without its samples.

    Raises:
        ValueError: it can't be read, for example because another version wrote it.
    """
    return AggregatorDefinitionSpec.model_validate(json.loads(definition.spec))


@lru_cache(maxsize=1024)
def profile_of(definition: Definition) -> AggregatorProfile:
    """The facts about the aggregator of a definition."""
    places = (definition.key_places, *definition.all_of)
    headers = tuple(dict.fromkeys(header for place in places for header in place.headers))
    has_place = bool(headers) or any(place.query for place in places) or definition.signature is not None
    spec = spec_of(definition)
    return AggregatorProfile(
        aggregator=definition.name,
        path_segment=definition.path,
        key_headers=headers or (_USUAL_HEADER,),
        key_in_url=not has_place,
        signed=definition.signature is not None,
        setup=spec.setup or _setup(definition, headers),
        codes=_codes(spec.status.table),
        ignores_case=True,
    )


def _places(given: DefinedKey | DefinedKeyPlace) -> KeyPlaces:
    return KeyPlaces(headers=tuple(given.headers), query=tuple(given.query))


def _encoded(spec: AggregatorDefinitionSpec) -> str:
    document = spec.model_dump(mode="json", by_alias=True, exclude={"samples"}, exclude_none=True, exclude_unset=True)
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _setup(definition: Definition, headers: tuple[str, ...]) -> str:
    if definition.signature is not None:
        header = definition.signature.header
        key = f"the key from the Secret as the secret of its signature, which is in the header {header}"
    elif definition.all_of:
        key = f"the keys from the Secrets as the headers {' and '.join(headers)}" if headers else "the keys"
    elif headers:
        key = f"the key from the Secret as the header {headers[0]}"
    elif definition.key_places.query:
        key = f"the key from the Secret as the parameter {definition.key_places.query[0]} of the URL"
    else:
        return "Replace <key> in the URL with the key from the Secret, and enter the URL at the aggregator's side."
    return f"At the aggregator's side, enter the URL, and {key}."


def _codes(table: list[StatusRow]) -> Mapping[Status, tuple[str, ...]]:
    found: dict[Status, list[str]] = {}
    for row in table:
        found.setdefault(row.status, []).append("/".join(row.when))
    return {status: tuple(known) for status, known in found.items()}
