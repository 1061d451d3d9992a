"""Compiles the AggregatorDefinitions of a WebhookServer: checks them, and decides which version is served. Pure.

A definition with errors doesn't replace its last good version. A deleted one is still served as long as a resource
names it, because its updates must not be lost: senders often don't repeat them.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from trackpush_api.aggregators import PROFILES
from trackpush_api.aggregators.defined import definition_of, in_use, profile_of
from trackpush_api.aggregators.names import KnownAggregators
from trackpush_api.aggregators.profile import AggregatorProfile
from trackpush_api.kinds.aggregator_definition import AggregatorDefinitionSpec, objection_to_definition_name
from trackpush_api.manifest import Resource
from trackpush_api.problems import Problem, Reason, unexpected
from trackpush_api.routing import Definition
from trackpush_api.vocabulary import AggregatorName

MOST_BYTES: Final = 256 * 1024
"""Of all definitions of a server together: they share one Secret with its settings."""


class DefinitionObjection(NamedTuple):
    """A mistake in a definition."""

    field: str
    """As in ``spec.fields.awb``."""
    message: str
    reason: Reason = Reason.INVALID
    """`Reason.SAMPLES_FAIL` for a sample that gives other updates than it expects."""


class DefinitionLibrary(msgspec.Struct, frozen=True, kw_only=True):
    """The catalog, and the checks of the code that reads bodies, which this package must not import."""

    catalog: Mapping[AggregatorName, Definition] = {}
    """The definitions that are part of the program."""
    objections: Callable[[AggregatorName, AggregatorDefinitionSpec], Iterable[DefinitionObjection]] = lambda *_: ()
    """All mistakes in a definition. If there is none, its samples give the updates that they expect."""


Check = Callable[[Resource, DefinitionLibrary], tuple[Problem, ...]]


class FormerDefinitions(msgspec.Struct, frozen=True, kw_only=True):
    """What the server served before."""

    definitions: Mapping[AggregatorName, Definition] = {}
    named: Collection[AggregatorName] = ()
    """The aggregators that the server's AggregatorWebhooks and hosts name."""


class CompiledDefinitions(msgspec.Struct, frozen=True, kw_only=True):
    """A server's definitions sorted by name, the profiles of all its aggregators, and the problems."""

    definitions: tuple[Definition, ...] = ()
    known: KnownAggregators = KnownAggregators()
    problems: tuple[Problem, ...] = ()


def check_definition(resource: Resource, library: DefinitionLibrary) -> tuple[Problem, ...]:
    """The mistakes in one definition, apart from those in its form. Never raises."""
    if not isinstance(resource.spec, AggregatorDefinitionSpec):
        return ()
    wrong = objection_to_definition_name(resource.name)
    if wrong is not None:
        return (resource.problem("metadata.name", wrong, reason=Reason.INVALID),)
    try:
        found = list(library.objections(resource.name, resource.spec))
    except Exception as error:  # noqa: BLE001  whatever is wrong with it concerns this resource alone
        return (unexpected(resource.title, error, resource.place),)
    return tuple(resource.problem(entry.field, entry.message, reason=entry.reason) for entry in found)


def compile_definitions(
    resources: Iterable[Resource],
    library: DefinitionLibrary,
    *,
    namespace: str,
    former: FormerDefinitions | None = None,
    check: Check = check_definition,
) -> CompiledDefinitions:
    """Compile the AggregatorDefinitions in the namespace of a WebhookServer. Never raises."""
    before = former or FormerDefinitions()
    by_age = sorted(resources, key=lambda resource: resource.order)
    places = _Places()
    problems: list[Problem] = []
    gone = _gone(by_age, library, before)
    for definition in gone:
        title = f"AggregatorDefinition {namespace}/{definition.name}, which was deleted and is still in use,"
        places.take(definition, title)
    for resource in by_age:
        wrong, new = _compile(resource, library, check, places)
        problems += wrong
        chosen = new or before.definitions.get(resource.name)
        if chosen is not None and places.objection_to(chosen) is None:
            places.take(chosen, f"{resource.title},")
    served = places.taken
    return CompiledDefinitions(
        definitions=tuple(served[name] for name in sorted(served)),
        known=KnownAggregators(
            profiles=profiles(served.values(), library.catalog),
            gone=frozenset(definition.name for definition in gone),
            unusable=frozenset(resource.name for resource in by_age) - served.keys(),
            namespace=namespace,
        ),
        problems=tuple(problems),
    )


def _compile(
    resource: Resource, library: DefinitionLibrary, check: Check, places: "_Places"
) -> tuple[Sequence[Problem], Definition | None]:
    problems = check(resource, library)
    if problems or not isinstance(resource.spec, AggregatorDefinitionSpec):
        return problems, None
    definition = definition_of(resource.name, resource.spec)
    wrong = places.objection_to(definition)
    if wrong is None:
        return (), definition
    return (resource.problem(wrong.field, wrong.message, reason=wrong.reason),), None


class _Places:
    """The paths and the bytes that definitions take, in the order of their claims."""

    def __init__(self) -> None:
        self.taken: dict[AggregatorName, Definition] = {}
        self._paths: dict[str, str] = {}
        """The title of the owner of each path."""
        self._bytes = 0

    def objection_to(self, definition: Definition) -> DefinitionObjection | None:
        owner = self._paths.get(definition.path)
        if owner is not None:
            message = f"{definition.path!r} is the path of {owner} which keeps it; write another path"
            return DefinitionObjection("spec.path", message, Reason.PATH_CONFLICT)
        if self._bytes + _size(definition) > MOST_BYTES:
            message = (
                f"the AggregatorDefinitions of a WebhookServer can have {MOST_BYTES // 1024} KiB together, without"
                " their samples; delete unused ones, or shorten the tables with patterns such as 13*"
            )
            return DefinitionObjection("spec", message)
        return None

    def take(self, definition: Definition, owner: str) -> None:
        self.taken[definition.name] = definition
        self._paths[definition.path] = owner
        self._bytes += _size(definition)


def _size(definition: Definition) -> int:
    return len(definition.spec.encode())


def _gone(resources: Iterable[Resource], library: DefinitionLibrary, before: FormerDefinitions) -> Sequence[Definition]:
    """The definitions that were deleted while a resource names them."""
    present = {resource.name for resource in resources}
    return [
        definition
        for name, definition in sorted(before.definitions.items())
        if name in before.named and name not in present and name not in library.catalog
    ]


def profiles(
    served: Iterable[Definition], catalog: Mapping[AggregatorName, Definition]
) -> dict[AggregatorName, AggregatorProfile]:
    """The profiles of all aggregators of a server, by name: built-in ones, and those of its definitions `in_use`."""
    return {**PROFILES, **{name: profile_of(definition) for name, definition in in_use(served, catalog).items()}}
