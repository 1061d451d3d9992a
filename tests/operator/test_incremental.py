"""What the operator keeps up to date change by change is what compile_table makes from scratch."""

import base64
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support import objects
from support.examples import examples
from trackpush_api.compile import compile_table
from trackpush_api.kinds import AggregatorWebhookSpec
from trackpush_api.kinds.aggregator_webhook import ServerReference
from trackpush_api.manifest import Resource
from trackpush_api.problems import Reason
from trackpush_api.routing import Account, Definition, Destination, Postgres, RoutingTable, ServerSettings
from trackpush_operator.compile.compiler import Compiler
from trackpush_operator.store.dependents import after_item, after_labels
from trackpush_operator.store.objects import Item, Key, Kind, resource_of, secret_of
from trackpush_operator.store.resources import ResourceCache
from trackpush_operator.store.shard_revisions import ShardedTable
from trackpush_operator.store.tombstones import Tombstones

Body = dict[str, Any]


class World:
    """A cluster in memory beside the operator's cache and compiler, which are told of each change in turn."""

    def __init__(self) -> None:
        self.cache = ResourceCache(Tombstones())
        self.compiler = Compiler(self.cache, lambda: 0.0, grace_seconds=0, key_memory=0)  # without memory
        self.bodies: dict[tuple[str, str, str], Body] = {}
        self.queue: list[Key] = []

    def put(self, body: Body) -> None:
        """Make or change an object."""
        metadata = body["metadata"]
        place = (body["kind"], metadata["namespace"], metadata["name"])
        known = self.bodies.get(place)
        body = (
            objects.made(body)
            if known is None
            else objects.changed(known, spec=body.get("spec"), data=body.get("data"))
        )
        self.bodies[place] = body
        self._tell(body)

    def _tell(self, body: Body) -> None:
        if body["kind"] == "Secret":
            ref = (body["metadata"]["namespace"], body["metadata"]["name"])
            if self.cache.take_secret(body):
                self.settle(self.cache.naming(ref))
            return
        taken = self.cache.take_item(Kind(body["kind"]), body)
        assert taken is not None
        self._changed(*taken)

    def _changed(self, old: Item | None, new: Item | None) -> None:
        item = new or old
        assert item is not None
        if item.key.kind is Kind.SERVER and old is None:
            self._check(item.key.namespace)
            self.settle(self.compiler.adopt(ShardedTable(item.key.full_name)))
        self.settle(after_item(self.cache, old, new))

    def delete(self, kind: str, namespace: str, name: str) -> None:
        """Delete an object, if there is one."""
        if self.bodies.pop((kind, namespace, name), None) is None:
            return
        version = int(objects.made({"metadata": {}})["metadata"]["resourceVersion"])
        if kind == "Secret":
            if self.cache.drop_secret((namespace, name), version):
                self.settle(self.cache.naming((namespace, name)))
            return
        key = Key(Kind(kind), namespace, name)
        self._changed(self.cache.drop_item(key, version), None)

    def label(self, namespace: str, labels: dict[str, str]) -> None:
        """Change a namespace's labels."""
        self.cache.labels[namespace] = labels
        self.settle(after_labels(self.cache, namespace))

    def settle(self, keys: Any) -> None:
        """Decide about these and all that follows from it; Secrets that become of interest are fetched."""
        self.queue.extend(keys)
        while self.queue:
            key = self.queue.pop()
            for namespace, name in self.cache.unread_secrets(key):
                body = self.bodies.get(("Secret", namespace, name))
                if body is not None:
                    self.cache.take_secret(body)
            self._check(key.namespace)
            self.queue.extend(self.compiler.decide(key).again)

    def _check(self, namespace: str) -> None:
        """Check definitions, as the operator does before it decides about one."""
        definitions = self.compiler.definitions
        for item in definitions.unchecked(namespace):
            definitions.take_check(item, definitions.check(item))

    def incremental(self, server: str) -> RoutingTable | None:
        """What the operator has."""
        table = self.compiler.tables.get(server)
        entries = [] if table is None else [entry for part in table.parts.values() for entry in part.entries.values()]
        found = [entry for entry in entries if isinstance(entry, ServerSettings)]
        if not found:
            return None
        return RoutingTable(
            server=msgspec.structs.replace(found[0], definitions=self._definitions(table)),
            accounts=tuple(
                sorted((entry for entry in entries if isinstance(entry, Account)), key=lambda entry: entry.name)
            ),
            destinations=tuple(
                sorted((entry for entry in entries if isinstance(entry, Destination)), key=lambda entry: entry.name)
            ),
        )

    def _definitions(self, table: ShardedTable | None) -> tuple[Definition, ...]:
        return () if table is None else tuple(sorted(table.definitions(), key=lambda definition: definition.name))

    def _with_server(self, resource: Resource) -> Resource:
        """An AggregatorWebhook with the server that still serves it, where its choice became ambiguous."""
        verdict = self.compiler.verdicts.get(Key(Kind(resource.kind), resource.namespace, resource.name))
        spec = resource.spec
        if verdict is None or not isinstance(spec, AggregatorWebhookSpec) or not verdict.servers:
            return resource
        if not any(problem.reason is Reason.SERVER_AMBIGUOUS for problem in verdict.problems):
            return resource
        namespace, _, name = verdict.servers[0].partition("/")
        reference = ServerReference(name=name, namespace=namespace)
        return msgspec.structs.replace(resource, spec=spec.model_copy(update={"server_ref": reference}))

    def from_scratch(self, server: str) -> RoutingTable | None:
        """What it should have."""
        resources = [self._with_server(resource_of(item)[0]) for item in self.cache.items.values()]
        secrets = {
            (namespace, name): secret_of(body)
            for (kind, namespace, name), body in self.bodies.items()
            if kind == "Secret"
        }
        present = self.incremental(server)
        last = None if present is None else present.server
        return compile_table(resources, secrets, server=server, namespace_labels=self.cache.labels, last=last).table


def populated() -> World:
    """A server, and two namespaces whose AggregatorWebhooks all claim one key."""
    world = World()
    world.put(objects.secret("db", "trackpush", dsn="postgresql://h/a"))
    world.put(objects.server("main"))
    for namespace in ("acme", "rival"):
        world.put(objects.secret("keys", namespace, **{"in": "k-1", "out": "s-1"}))
        world.put(objects.push("a", namespace))
        world.put(objects.webhook("a", namespace))
    return world


NAMESPACES = st.sampled_from(["acme", "rival"])
NAMES = st.sampled_from(["a", "b"])
SERVERS = st.sampled_from(["main", "main", "main", "other"])
DEFINED = st.sampled_from(["kit", "box"])
DEFINING = ("definition", "definition")
REFS = st.none() | st.lists(NAMES, max_size=2, unique=True)


def server_body(draw: st.DrawFn) -> Body:
    """A WebhookServer."""
    allowed = draw(
        st.sampled_from(
            [{"from": "All"}, {"from": "Same"}, {"from": "Selector", "selector": {"matchLabels": {"x": "y"}}}]
        )
    )
    storage = draw(st.sampled_from([{"sqlite": {}}, {"postgres": {"dsnSecretRef": {"name": "db", "key": "dsn"}}}]))
    return objects.server(
        draw(SERVERS), allowedNamespaces=allowed, egress={"httpsOnly": draw(st.booleans())}, storage=storage
    )


def definition_body(draw: st.DrawFn) -> Body:
    """An AggregatorDefinition, sometimes an invalid one."""
    path = draw(st.sampled_from(["kit", "box", "Not A Path"]))
    authentication = draw(st.sampled_from([{}, {"signature": {"header": "X-Sign"}}]))
    return objects.definition(draw(DEFINED), path=path, authentication=authentication)


@st.composite
def changes(draw: st.DrawFn) -> Callable[[World], None]:
    """One change of anything."""
    kind = draw(
        st.sampled_from(
            [
                *("server", "webhook", "webhook", "push", "push", "secret", "secret", "dsn", "labels"),
                *DEFINING,
                "delete",
            ]
        )
    )
    where, name = draw(NAMESPACES), draw(NAMES)
    if kind in ("server", "definition"):
        body = server_body(draw) if kind == "server" else definition_body(draw)
        return lambda world: world.put(body)
    if kind == "webhook":
        refs, target = draw(REFS), draw(st.just("main") | st.none() | SERVERS)
        spec: Body = {} if refs is None else {"pushConfigRefs": [{"name": ref} for ref in refs]}
        spec |= {} if target is None else {"serverRef": {"name": target, "namespace": "trackpush"}}
        spec |= {"aggregator": draw(st.sampled_from(["Clickpost", "Clickpost", "kit", "box"]))}
        body = objects.webhook(name, where, key=draw(st.sampled_from(["in", "in", "gone"])), **spec)
        return lambda world: world.put(body)
    if kind == "push":
        url = draw(st.sampled_from(["https://a.example", "http://a.example"]))
        body = objects.push(name, where, url=url, delivery={"timeout": draw(st.sampled_from(["1s", "0s"]))})
        return lambda world: world.put(body)
    if kind in ("secret", "dsn"):
        value = draw(st.sampled_from(["k-1", "k-1", "k-2", ""]))
        body = objects.secret("keys", where, **{"in": value, "out": draw(st.sampled_from(["s-1", "s-2"]))})
        dsn = objects.secret("db", "trackpush", dsn=draw(st.sampled_from(["postgresql://h/a", "postgresql://h/b"])))
        return lambda world: world.put(dsn if kind == "dsn" else body)
    if kind == "labels":
        labels = draw(st.sampled_from([{}, {"x": "y"}, {"x": "z"}]))
        return lambda world: world.label(where, labels)
    gone = draw(st.sampled_from(["WebhookServer", "AggregatorWebhook", "PushConfig", "Secret", "AggregatorDefinition"]))
    name = {"WebhookServer": draw(SERVERS), "Secret": "keys", "AggregatorDefinition": draw(DEFINED)}.get(gone, name)
    where = "trackpush" if gone in ("WebhookServer", "AggregatorDefinition") else where
    return lambda world: world.delete(gone, where, name)


@pytest.mark.slow
@settings(max_examples=examples(300), deadline=None)
@given(st.lists(changes(), min_size=1, max_size=25))
def test_any_sequence_of_changes_gives_the_table_that_compiling_everything_gives(
    sequence: list[Callable[[World], None]],
) -> None:
    world = populated()
    for change in sequence:
        change(world)
        for server in ("trackpush/main", "trackpush/other"):
            assert world.incremental(server) == world.from_scratch(server)


def test_a_server_whose_connection_string_is_gone_keeps_the_one_that_it_had() -> None:
    world = populated()
    world.put(objects.server("main", storage={"postgres": {"dsnSecretRef": {"name": "db", "key": "dsn"}}}))
    before = world.incremental("trackpush/main")
    assert before is not None
    assert before.server.storage == Postgres(dsn="postgresql://h/a")
    world.delete("Secret", "trackpush", "db")
    assert world.incremental("trackpush/main") == before
    world.put(objects.secret("db", "trackpush", dsn="postgresql://h/b"))
    after = world.incremental("trackpush/main")
    assert after is not None
    assert after.server.storage == Postgres(dsn="postgresql://h/b")


def test_a_secret_that_nobody_names_is_not_kept() -> None:
    world = World()
    world.put(objects.secret("keys", "acme", **{"in": "k-1"}))
    assert world.cache.secrets == {}
    world.put(objects.webhook())
    assert set(world.cache.secrets) == {("acme", "keys")}
    world.delete("AggregatorWebhook", "acme", "clickpost")
    assert world.cache.secrets == {}


def test_the_helpers_secret_is_base64() -> None:
    assert base64.b64decode(objects.secret(x="y")["data"]["x"]) == b"y"


def test_a_resource_whose_compiling_raises_gets_a_verdict_on_its_present_generation_and_delays_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = populated()

    def broken(*_: object) -> None:
        raise TypeError("cadata of a Secret")

    monkeypatch.setattr(world.compiler, "_decide_push", broken)
    world.put(objects.push("a", "acme", url="https://other.example"))
    world.put(objects.webhook("a", "rival", key="gone"))
    key = Key(Kind.PUSH, "acme", "a")
    verdict = world.compiler.verdicts[key]
    assert verdict.generation == world.cache.items[key].generation
    assert [(problem.condition, problem.message.partition(" because")[0]) for problem in verdict.problems] == [
        ("Accepted", "can't be compiled (TypeError)")
    ]
    assert verdict.served, "what was served of it before still is"
    assert world.compiler.verdicts[Key(Kind.WEBHOOK, "rival", "a")].problems
