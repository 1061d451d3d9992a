"""The AggregatorDefinitions of each WebhookServer: which versions it serves, and which are in use. No I/O.

A server serves the definitions of its own namespace. Their samples are checked elsewhere, because that takes long
(`trackpush_operator.reconcile.definition_checks`): a version that was not checked yet doesn't replace the one before.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Final

from trackpush_api.aggregators.names import KnownAggregators
from trackpush_api.definitions import (
    CompiledDefinitions,
    DefinitionLibrary,
    FormerDefinitions,
    check_definition,
    compile_definitions,
    profiles,
)
from trackpush_api.kinds import WebhookServerSpec
from trackpush_api.manifest import Resource
from trackpush_api.problems import Problem
from trackpush_api.routing import Definition, namespace_of
from trackpush_api.vocabulary import AggregatorName
from trackpush_operator.store.objects import Item, Key, Kind, resource_of, server_key
from trackpush_operator.store.resources import ResourceCache

Use = tuple[str, AggregatorName]
"""A server (``namespace/name``), and the aggregator that an AggregatorWebhook of it names."""
_UNCHECKED: Final = (Problem(message="its samples are being checked"),)


class DefinitionUsers:
    """The aggregators that the AggregatorWebhooks of each server name."""

    def __init__(self) -> None:
        self._of: dict[Key, Use] = {}
        self._by: defaultdict[Use, set[Key]] = defaultdict(set)

    def names(self, server: str) -> set[AggregatorName]:
        """The aggregators that AggregatorWebhooks of this server name."""
        return {name for of, name in self._by if of == server}

    def replace(self, key: Key, use: Use | None) -> Use | None:
        """Replace the use of an AggregatorWebhook; return the former one if nobody else has it."""
        old = self._of.pop(key, None)
        if use is not None:
            self._of[key] = use
            self._by[use].add(key)
        if old is None or old == use:
            return None
        self._by[old].discard(key)
        if self._by[old]:
            return None
        del self._by[old]
        return old


class Definitions:
    """The results of the checks, and what each server knows of aggregators."""

    def __init__(self, cache: ResourceCache, library: DefinitionLibrary) -> None:
        self.library: Final = library
        self.users = DefinitionUsers()
        self._cache = cache
        self._checked: dict[Key, tuple[bytes, tuple[Problem, ...]]] = {}
        self._known: dict[str, KnownAggregators] = {}

    def load_catalog(self) -> None:
        """Read the definitions that the program contains. It takes half a second the first time."""
        profiles((), self.library.catalog)

    def unchecked(self, namespace: str) -> list[Item]:
        """The definitions of a namespace whose present version was not checked."""
        return [item for item in self._items(namespace) if not self._is_checked(item)]

    def check(self, item: Item) -> tuple[Problem, ...]:
        """The mistakes in a definition. It takes long, and may run in a thread: it reads nothing else."""
        return check_definition(resource_of(item)[0], self.library)

    def take_check(self, item: Item, problems: tuple[Problem, ...]) -> None:
        """Record the result of a check."""
        self._checked[item.key] = (item.spec, problems)

    def problems(self, key: Key, compiled: Collection[CompiledDefinitions]) -> tuple[Problem, ...] | None:
        """All problems of a definition; None if it was not checked yet."""
        item = self._cache.items[key]
        if not self._is_checked(item):
            return None
        resource, invalid = resource_of(item)
        found = (problem for each in compiled for problem in each.problems if problem.resource == resource.title)
        return tuple(dict.fromkeys((*invalid, *found)))

    def known(self, server: str) -> KnownAggregators:
        """What a server knows. Until its table is read, all definitions count as usable."""
        found = self._known.get(server)
        return self._compile(namespace_of(server), None, lambda *_: ()).known if found is None else found

    def compile(
        self, namespace: str, server: str | None, former: Mapping[AggregatorName, Definition]
    ) -> CompiledDefinitions:
        """Compile those of a namespace for one of its servers, or for none."""
        named = set() if server is None else self.users.names(server) | self._named_by_hosts(server)
        return self._compile(namespace, FormerDefinitions(definitions=former, named=named), self._problems_of)

    def learn(self, server: str, known: KnownAggregators) -> set[Key]:
        """Record what a server knows now; returns the resources to decide again."""
        before = self._known.get(server, KnownAggregators())
        self._known[server] = known
        if before == known:
            return set()
        return {server_key(server), *self._naming(server, _changed(before, known))}

    def forget(self, server: str) -> None:
        """The server is gone."""
        self._known.pop(server, None)

    def drop(self, key: Key) -> None:
        """The definition is gone."""
        self._checked.pop(key, None)

    def _compile(
        self,
        namespace: str,
        former: FormerDefinitions | None,
        check: Callable[[Resource, DefinitionLibrary], tuple[Problem, ...]],
    ) -> CompiledDefinitions:
        resources = [resource_of(item)[0] for item in self._items(namespace)]
        return compile_definitions(resources, self.library, namespace=namespace, former=former, check=check)

    def _problems_of(self, resource: Resource, _: DefinitionLibrary) -> tuple[Problem, ...]:
        item = self._cache.items[Key(Kind.DEFINITION, resource.namespace, resource.name)]
        return self._checked[item.key][1] if self._is_checked(item) else _UNCHECKED

    def _is_checked(self, item: Item) -> bool:
        return self._checked.get(item.key, (b"", ()))[0] == item.spec

    def _items(self, namespace: str) -> Iterator[Item]:
        names = self._cache.definitions(namespace)
        return (self._cache.items[Key(Kind.DEFINITION, namespace, name)] for name in sorted(names))

    def _named_by_hosts(self, server: str) -> set[AggregatorName]:
        item = self._cache.server(server)
        spec = None if item is None else resource_of(item)[0].spec
        hosts = spec.hosts if isinstance(spec, WebhookServerSpec) else []
        return {name for host in hosts for name in host.aggregators or ()}

    def _naming(self, server: str, names: Collection[AggregatorName]) -> Iterator[Key]:
        """The AggregatorWebhooks of a server that name one of these aggregators."""
        for key in self._cache.webhooks_of(server):
            if self._cache.items[key].links.aggregator in names:
                yield key


def _changed(before: KnownAggregators, after: KnownAggregators) -> set[AggregatorName]:
    names = {*before.profiles, *after.profiles}
    different = {name for name in names if before.profiles.get(name) != after.profiles.get(name)}
    return different | (before.gone ^ after.gone) | (before.unusable ^ after.unusable)
