"""The aggregators that one WebhookServer knows, by name. Pure."""

from collections.abc import Mapping
from typing import Final

import msgspec

from trackpush_api.aggregators import PROFILES
from trackpush_api.aggregators.profile import AggregatorProfile
from trackpush_api.manifest import Resource
from trackpush_api.problems import Problem, Reason, Severity
from trackpush_api.suggestions import closest
from trackpush_api.vocabulary import AggregatorName

_MOST_LISTED = 20


class KnownAggregators(msgspec.Struct, frozen=True, kw_only=True):
    """Built-in aggregators, those of the catalog, and those that AggregatorDefinitions define."""

    profiles: Mapping[AggregatorName, AggregatorProfile] = msgspec.field(default_factory=lambda: PROFILES)
    gone: frozenset[AggregatorName] = frozenset()
    """Their AggregatorDefinitions were deleted. Their last versions are used as long as a resource names them."""
    unusable: frozenset[AggregatorName] = frozenset()
    """Their AggregatorDefinitions have errors, and no earlier version is known."""
    namespace: str | None = None
    """The namespace of the WebhookServer, which contains its AggregatorDefinitions."""

    def hint_about(self, name: AggregatorName) -> str | None:
        """What the author of a resource that names this aggregator should know, or None."""
        if name not in self.gone:
            return None
        return (
            f"AggregatorDefinition {self.namespace}/{name} was deleted; its last version is used as long as a resource"
            " names it: create it again, or remove the resources that name it"
        )

    def objection_to(self, name: AggregatorName) -> str | None:
        """Why no aggregator of this name can be used, or None."""
        if name in self.profiles:
            return None
        where = f" {self.namespace}/{name}" if self.namespace else f" {name}"
        if name in self.unusable:
            return f"AggregatorDefinition{where} can't be used; correct it"
        near = closest(name, self.profiles)
        if near is not None:
            return f"there is no aggregator {name!r}; did you mean {near}?"
        listed = ", ".join(list(self.profiles)[:_MOST_LISTED])
        return f"there is no aggregator {name!r}; write one of {listed}, or add AggregatorDefinition{where}"


BUILT_IN: Final = KnownAggregators()


def check_aggregator(resource: Resource, field: str, name: AggregatorName, known: KnownAggregators) -> Problem | None:
    """An error if the aggregator that a field names can't be used; a warning if its definition was deleted."""
    wrong = known.objection_to(name)
    if wrong is not None:
        return resource.problem(field, wrong, reason=Reason.UNKNOWN_AGGREGATOR)
    hint = known.hint_about(name)
    return None if hint is None else resource.problem(field, hint, Severity.WARNING)
