"""The aggregators whose requests `trackpush send` imitates: built-in ones, those of the catalog, and a user's own."""

import base64
import hashlib
import hmac
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from trackpush_api.aggregators import PROFILES, profile
from trackpush_api.aggregators.profile import AggregatorProfile
from trackpush_api.routing import Definition, Signature
from trackpush_api.suggestions import did_you_mean
from trackpush_api.vocabulary import Aggregator, AggregatorName
from trackpush_cli.errors import CommandError

if TYPE_CHECKING:
    from trackpush_api.kinds.aggregator_definition import AggregatorDefinitionSpec


class AggregatorSender(NamedTuple):
    """An aggregator whose requests are imitated."""

    name: AggregatorName
    spec: "AggregatorDefinitionSpec | None" = None
    """Its definition; None for a built-in aggregator."""

    @property
    def profile(self) -> AggregatorProfile:
        """The facts about it."""
        definition = self._definition
        if definition is None:
            return PROFILES[self.name]
        from trackpush_api.aggregators.defined import profile_of  # noqa: PLC0415  only here, for a fast start

        return profile_of(definition)

    @property
    def signature(self) -> Signature | None:
        """How it signs its bodies, if it does."""
        definition = self._definition
        return None if definition is None else definition.signature

    @property
    def needs_several_keys(self) -> bool:
        """Whether it sends several keys in its headers."""
        definition = self._definition
        return definition is not None and bool(definition.all_of)

    @property
    def _definition(self) -> Definition | None:
        if self.spec is None:
            return None
        from trackpush_api.aggregators.defined import definition_of  # noqa: PLC0415  only here, for a fast start

        return definition_of(self.name, self.spec)


def signed(signature: Signature, key: str, body: bytes) -> dict[str, str]:
    """The header with the signature of a body."""
    made = hmac.digest(key.encode(), body, hashlib.sha256)
    text = made.hex() if signature.encoding == "Hex" else base64.b64encode(made).decode()
    return {signature.header: signature.prefix + text}


def known_sender(name: str) -> AggregatorSender:
    """The built-in aggregator of this name, or of this segment of its URL, or the one of the catalog.

    Raises:
        CommandError: there is none.
    """
    lowered = name.lower()
    built_in = {word: each.value for each in Aggregator for word in (each.slug, profile(each).path_segment)}
    if lowered in built_in:
        return AggregatorSender(built_in[lowered])
    from trackpush_aggregators.catalog import catalog_names, catalog_spec  # noqa: PLC0415  only here, for a fast start

    spec = catalog_spec(lowered)
    if spec is None:
        known = [*(each.slug for each in Aggregator), *catalog_names()]
        raise CommandError(
            f"--aggregator {name}: {name!r} is not an aggregator; use one of {', '.join(known)},"
            " or name the file with its definition: --definition FILE"
        )
    return AggregatorSender(lowered, spec)


def sender_of_file(place: Path, name: str | None) -> AggregatorSender:
    """The aggregator that a definition in a file, or in a folder of resources, defines.

    Without ``name`` it must be the only one.

    Raises:
        CommandError: there is no such definition, there are several, or its form is wrong.
    """
    from trackpush_cli.aggregators.definitions import definitions_at  # noqa: PLC0415  only here, for a fast start

    found = {definition.name: definition for definition in definitions_at(place)}
    names = ", ".join(sorted(found))
    if name is None and len(found) > 1:
        raise CommandError(f"--definition {place}: it contains several definitions; add --aggregator, one of {names}")
    chosen = next(iter(found)) if name is None else name.lower()
    if chosen not in found:
        near = did_you_mean(chosen, sorted(found))
        raise CommandError(f"--definition {place}: it has no definition named {chosen}, only {names}{near}")
    definition = found[chosen]
    if definition.spec is None:
        raise CommandError(*map(str, definition.problems))
    return AggregatorSender(chosen, definition.spec)


def all_senders() -> list[AggregatorSender]:
    """The built-in aggregators, then the catalog."""
    from trackpush_aggregators.catalog import catalog_names, catalog_spec  # noqa: PLC0415  only here, for a fast start

    return [*map(AggregatorSender, PROFILES), *(AggregatorSender(name, catalog_spec(name)) for name in catalog_names())]
