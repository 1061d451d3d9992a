"""The aggregators whose requests `trackpush send` imitates: the built-in ones, and those of the catalog."""

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING

from trackpush_api.aggregators import PROFILES
from trackpush_api.aggregators.profile import AggregatorProfile
from trackpush_api.routing import Definition, Signature
from trackpush_api.vocabulary import AggregatorName

if TYPE_CHECKING:
    from trackpush_api.kinds.aggregator_definition import AggregatorDefinitionSpec


def sender_profile(aggregator: AggregatorName) -> AggregatorProfile:
    """The facts about a built-in aggregator, or about one of the catalog."""
    definition = _definition(aggregator)
    if definition is None:
        return PROFILES[aggregator]
    from trackpush_api.aggregators.defined import profile_of  # noqa: PLC0415  only here, for a fast start

    return profile_of(definition)


def signature_of(aggregator: AggregatorName) -> Signature | None:
    """How this aggregator signs its bodies, if it does."""
    definition = _definition(aggregator)
    return None if definition is None else definition.signature


def needs_several_keys(aggregator: AggregatorName) -> bool:
    """Whether this aggregator sends several keys in its headers."""
    definition = _definition(aggregator)
    return definition is not None and bool(definition.all_of)


def signed(signature: Signature, key: str, body: bytes) -> dict[str, str]:
    """The header with the signature of a body."""
    made = hmac.digest(key.encode(), body, hashlib.sha256)
    text = made.hex() if signature.encoding == "Hex" else base64.b64encode(made).decode()
    return {signature.header: signature.prefix + text}


def defined_spec(aggregator: AggregatorName) -> "AggregatorDefinitionSpec | None":
    """The definition of an aggregator of the catalog."""
    from trackpush_aggregators.catalog import catalog_spec  # noqa: PLC0415  only here, for a fast start

    return None if aggregator in PROFILES else catalog_spec(aggregator)


def defined_names() -> tuple[AggregatorName, ...]:
    """The names of the catalog."""
    from trackpush_aggregators.catalog import catalog_names  # noqa: PLC0415  only here, for a fast start

    return catalog_names()


def _definition(aggregator: AggregatorName) -> Definition | None:
    if aggregator in PROFILES:
        return None
    from trackpush_aggregators.catalog import CATALOG  # noqa: PLC0415  only here, for a fast start

    return CATALOG[aggregator]
