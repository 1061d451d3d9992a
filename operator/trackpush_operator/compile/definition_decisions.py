"""Decides about AggregatorDefinitions, which affect all resources that name their aggregators. No I/O."""

from typing import Final

from trackpush_api.definitions import CompiledDefinitions
from trackpush_api.routing import namespace_of
from trackpush_operator.compile.definitions import Definitions, Use
from trackpush_operator.compile.placement import Placement
from trackpush_operator.compile.references import References
from trackpush_operator.compile.verdicts import CompileVerdict, Effects
from trackpush_operator.store.objects import Key, Kind
from trackpush_operator.store.resources import ResourceCache

_FILTER: Final = b'"filter":'


class DefinitionDecisions:
    """Decides about the AggregatorDefinitions of all servers."""

    def __init__(
        self,
        cache: ResourceCache,
        definitions: Definitions,
        *,
        placement: Placement,
        references: References,
        verdicts: dict[Key, CompileVerdict],
    ) -> None:
        """Verdicts are stored in ``verdicts``."""
        self._cache = cache
        self._definitions = definitions
        self._placement = placement
        self._references = references
        self._verdicts = verdicts

    def keys_of(self, server: str) -> set[Key]:
        """The AggregatorDefinitions in a server's namespace."""
        namespace = namespace_of(server)
        return {Key(Kind.DEFINITION, namespace, name) for name in self._cache.definitions(namespace)}

    def decide(self, key: Key, effects: Effects) -> None:
        """Decide about all AggregatorDefinitions of a namespace: two may claim one path."""
        if key not in self._cache.items:
            self._definitions.drop(key)
            self._verdicts.pop(key, None)
        servers = self._cache.servers_in(key.namespace)
        compiled = [self.put_in_use(server, effects) for server in servers if server in self._placement.tables]
        compiled = compiled or [self._definitions.compile(key.namespace, None, {})]
        for name in self._cache.definitions(key.namespace):
            self._judge(Key(Kind.DEFINITION, key.namespace, name), servers, compiled, effects)

    def put_in_use(self, server: str, effects: Effects) -> CompiledDefinitions:
        """Put the AggregatorDefinitions that a server is to have into its table."""
        table, namespace = self._placement.tables[server], namespace_of(server)
        former = {entry.name: entry for entry in table.definitions()}
        compiled = self._definitions.compile(namespace, server, former)
        wanted = {definition.name: definition for definition in compiled.definitions}
        for name in sorted(former.keys() | wanted.keys()):
            self._placement.put(table, ("definition", f"{namespace}/{name}"), wanted.get(name), effects)
        affected = self._definitions.learn(server, compiled.known)
        if affected:
            effects.again |= affected | self._pushes_with_filters(server)
        return compiled

    def note_use(self, key: Key, use: Use | None, effects: Effects) -> None:
        """Record the aggregator that an AggregatorWebhook names.

        A deleted AggregatorDefinition is served until nothing names it.
        """
        ended = self._definitions.users.replace(key, use)
        if ended is not None and ended[1] in self._definitions.known(ended[0]).gone:
            effects.again.add(Key(Kind.DEFINITION, namespace_of(ended[0]), ended[1]))

    def _judge(self, key: Key, servers: list[str], compiled: list[CompiledDefinitions], effects: Effects) -> None:
        problems = self._definitions.problems(key, compiled)
        if problems is None:
            return  # its own key is in the queue
        verdict = CompileVerdict(
            generation=self._cache.items[key].generation,
            problems=problems,
            servers=tuple(servers),
            served=bool(servers) and all(self._placement.entry(server, key) for server in servers),
        )
        if self._verdicts.get(key) != verdict:
            self._verdicts[key] = verdict
            effects.verdicts.add(key)

    def _pushes_with_filters(self, server: str) -> set[Key]:
        """PushConfigs of a server's tables that may have hints about codes of aggregators."""
        pushes = (item for item in self._cache.items.values() if item.key.kind is Kind.PUSH and _FILTER in item.spec)
        return {item.key for item in pushes if server in self._references.servers(item.key.namespace)}
