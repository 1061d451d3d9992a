"""AggregatorDefinitions in the compiler: which versions servers have, and who uses them."""

import msgspec
import pytest

from support import objects
from support.objects import Body
from trackpush_api.aggregators.defined import definition_of
from trackpush_api.definitions import DefinitionLibrary, DefinitionObjection
from trackpush_api.kinds import AggregatorDefinitionSpec
from trackpush_api.problems import Reason
from trackpush_api.routing import Account, Definition, ServerSettings, digest_key
from trackpush_api.shards import SETTINGS, Shard, shard_name
from trackpush_operator.compile.compiler import Compiler
from trackpush_operator.compile.definitions import DefinitionUsers
from trackpush_operator.compile.verdicts import CompileVerdict, Effects
from trackpush_operator.store.objects import Key, Kind
from trackpush_operator.store.resources import ResourceCache
from trackpush_operator.store.shard_revisions import ShardedTable
from trackpush_operator.store.tombstones import Tombstones

SERVER = "trackpush/main"
KIT = Key(Kind.DEFINITION, "trackpush", "kit")
USER = Key(Kind.WEBHOOK, "acme", "kit")
KEY = "key-of-acme-in-full"


def fails_on_bad_paths(name: str, spec: AggregatorDefinitionSpec) -> list[DefinitionObjection]:
    """Stands for the check of the samples."""
    message = f"sample a of {name}: awb is nothing, expected 7001"
    return [DefinitionObjection("spec.samples[0]", message, Reason.SAMPLES_FAIL)] if spec.path == "bad" else []


def definition(name: str = "kit", **spec: object) -> Definition:
    body = objects.definition(name, **spec)
    return definition_of(name, AggregatorDefinitionSpec.model_validate(body["spec"]))


class Cluster:
    """A cache and a compiler."""

    def __init__(self, *bodies: Body, library: DefinitionLibrary | None = None) -> None:
        self.cache = ResourceCache(Tombstones())
        library = library or DefinitionLibrary(objections=fails_on_bad_paths)
        self.compiler = Compiler(self.cache, lambda: 0.0, library=library)
        self.take(*bodies)

    def take(self, *bodies: Body) -> None:
        for body in bodies:
            if body["kind"] == "Secret":
                self.cache.take_secret(objects.made(body))
            else:
                self.cache.take_item(Kind(body["kind"]), objects.made(body))

    def delete(self, key: Key) -> None:
        self.cache.drop_item(key, int(objects.made({"metadata": {}})["metadata"]["resourceVersion"]))

    def check(self) -> None:
        for item in self.compiler.definitions.unchecked("trackpush"):
            self.compiler.definitions.take_check(item, self.compiler.definitions.check(item))

    def adopt(self, table: ShardedTable | None = None) -> set[Key]:
        self.check()
        return self.compiler.adopt(table or ShardedTable(SERVER))

    def decide(self, *keys: Key) -> Effects:
        self.check()
        return [self.compiler.decide(key) for key in keys][-1]

    def verdict(self, key: Key = KIT) -> CompileVerdict:
        return self.compiler.verdicts[key]

    def paths(self) -> dict[str, str]:
        return {entry.name: entry.path for entry in self.compiler.tables[SERVER].definitions()}


def served(*definitions: Definition) -> ShardedTable:
    """A table from the cluster, with a user of kit."""
    table = ShardedTable(SERVER)
    settings = ServerSettings(name=SERVER, definitions=definitions)
    table.part(SETTINGS).seed(Shard(server=SERVER, name=SETTINGS, revision="r", settings=settings))
    account = Account(name=USER.full_name, aggregator="kit", key_digests=(digest_key(KEY),))
    name = shard_name(USER.full_name)
    table.part(name).seed(Shard(server=SERVER, name=name, revision="r", accounts=(account,)))
    return table


def user(**spec: object) -> tuple[Body, Body]:
    return objects.webhook("kit", aggregator="kit", **spec), objects.secret("keys", **{"in": KEY, "out": "s"})


def test_a_user_is_compiled_with_its_definition_even_if_the_settings_of_the_cluster_were_lost() -> None:
    cluster = Cluster(objects.server(), objects.definition("kit"), *user())
    cluster.adopt()
    cluster.decide(USER)
    assert cluster.verdict(USER).served
    assert not [problem for problem in cluster.verdict(USER).problems if problem.condition == "Accepted"]


def test_a_version_with_failing_samples_leaves_the_last_good_one_of_the_clusters_secret() -> None:
    cluster = Cluster(objects.server(), objects.definition("kit", path="bad"))
    cluster.adopt(served(definition(path="good")))
    cluster.decide(KIT)
    assert cluster.paths() == {"kit": "good"}
    assert [problem.reason for problem in cluster.verdict().problems] == [Reason.SAMPLES_FAIL]
    assert cluster.verdict().served


def test_a_version_that_was_not_checked_yet_changes_nothing_and_gets_no_verdict() -> None:
    cluster = Cluster(objects.server(), objects.definition("kit", path="good"))
    cluster.compiler.adopt(served(definition(path="before")))
    cluster.compiler.decide(KIT)
    assert cluster.paths() == {"kit": "before"}
    assert KIT not in cluster.compiler.verdicts
    cluster.decide(KIT)
    assert cluster.paths() == {"kit": "good"}


def test_a_definition_that_was_deleted_while_no_operator_ran_stays_as_long_as_an_account_names_it() -> None:
    cluster = Cluster(objects.server(), *user())
    keys = cluster.adopt(served(definition("kit"), definition("unused")))
    assert cluster.paths() == {"kit": "kit"}
    assert KIT in keys
    assert not cluster.decide(USER).again & {KIT}
    cluster.delete(USER)
    assert KIT in cluster.decide(USER).again
    cluster.decide(KIT)
    assert cluster.paths() == {}


def test_a_user_whose_namespace_the_server_does_not_allow_keeps_no_deleted_definition() -> None:
    cluster = Cluster(
        objects.server(allowedNamespaces={"from": "Same"}), *user(serverRef={"name": "main", "namespace": "trackpush"})
    )
    cluster.adopt(served(definition("kit")))
    assert cluster.paths() == {"kit": "kit"}
    assert KIT in cluster.decide(USER).again
    cluster.decide(KIT)
    assert cluster.paths() == {}


def test_a_host_that_names_a_deleted_definition_keeps_it_until_it_names_it_no_longer() -> None:
    hosts = [{"host": "a.example", "aggregators": ["kit"]}]
    cluster = Cluster(objects.server(hosts=hosts), objects.definition("kit"))
    cluster.adopt()
    cluster.decide(KIT)
    cluster.delete(KIT)
    cluster.decide(KIT)
    assert cluster.paths() == {"kit": "kit"}
    cluster.take(objects.server(hosts=[]))
    cluster.decide(Key(Kind.SERVER, "trackpush", "main"))
    assert cluster.paths() == {}


def test_a_deleted_definition_gives_its_name_back_to_the_catalog() -> None:
    library = DefinitionLibrary(catalog={"kit": definition(path="shipped")})
    cluster = Cluster(objects.server(), objects.definition("kit", path="mine"), *user(), library=library)
    cluster.adopt()
    cluster.decide(KIT, USER)
    cluster.delete(KIT)
    effects = cluster.decide(KIT)
    assert cluster.paths() == {}
    assert USER in effects.again
    cluster.decide(USER)
    assert cluster.compiler.definitions.known(SERVER).profiles["kit"].path_segment == "shipped"
    assert cluster.verdict(USER).served


@pytest.mark.parametrize("path", ["kit", "delhivery", "rivals"])
@pytest.mark.parametrize("name", ["kit", "delhivery", "rivals"])
def test_a_definition_of_one_tenant_is_in_no_table_of_another(name: str, path: str) -> None:
    """Also if the tenant has a server of its own, which serves all namespaces."""
    library = DefinitionLibrary(catalog={"delhivery": definition("delhivery")})
    place = {"name": "main", "namespace": "trackpush"}
    cluster = Cluster(objects.server(), objects.definition("kit"), *user(serverRef=place), library=library)
    cluster.take(objects.webhook("delhivery", "bravo", aggregator="delhivery", serverRef=place))
    cluster.take(objects.secret("keys", "bravo", **{"in": "key-of-bravo-in-full"}))
    cluster.take(objects.server("main", "rival"))
    everything = cluster.adopt() | cluster.compiler.adopt(ShardedTable("rival/main"))
    for key in everything:
        cluster.decide(key)
    table = cluster.compiler.tables[SERVER]
    before = {what: table.part_of(what).entries[what] for what in table.ids()}
    assert {entry.name for entry in before.values() if isinstance(entry, Account)} == {"acme/kit", "bravo/delhivery"}

    cluster.take(objects.definition(name, "rival", path=path, authentication={"signature": {"header": "X-Mine"}}))
    waiting = {Key(Kind.DEFINITION, "rival", name)}
    for item in cluster.compiler.definitions.unchecked("rival"):
        cluster.compiler.definitions.take_check(item, cluster.compiler.definitions.check(item))
    for _ in range(10):
        effects = [cluster.compiler.decide(key) for key in waiting]
        assert not [part for effect in effects for part in effect.parts if part[0] == SERVER]
        waiting = {key for effect in effects for key in effect.again}
    for key in everything:
        cluster.decide(key)

    assert [entry.name for entry in cluster.compiler.tables["rival/main"].definitions()] == [name]
    assert {what: table.part_of(what).entries[what] for what in table.ids()} == before


def test_a_changed_definition_affects_its_users_its_servers_and_filters_but_no_others() -> None:
    cluster = Cluster(objects.server(), objects.definition("kit"), *user())
    cluster.take(
        objects.webhook("clickpost"), objects.push("plain"), objects.push("filtered", filter={"statuses": ["DL"]})
    )
    for key in cluster.adopt():
        cluster.decide(key)
    cluster.take(objects.definition("kit", path="other"))
    effects = cluster.decide(KIT)
    filtered = Key(Kind.PUSH, "acme", "filtered")
    assert effects.again == {Key(Kind.SERVER, "trackpush", "main"), USER, filtered}
    assert cluster.decide(KIT).again == set(), "nothing changed since"


def test_a_rivals_verdict_changes_with_the_definition_that_had_its_path() -> None:
    cluster = Cluster(objects.server(), objects.definition("kit", path="shared"))
    cluster.adopt()
    cluster.decide(KIT)
    rival = Key(Kind.DEFINITION, "trackpush", "rival")
    cluster.take(objects.definition("rival", path="shared"))
    cluster.decide(rival)
    assert [problem.reason for problem in cluster.verdict(rival).problems] == [Reason.PATH_CONFLICT]
    cluster.delete(KIT)
    assert rival in cluster.decide(KIT).verdicts
    assert cluster.verdict(rival).problems == ()


def test_the_last_user_of_an_aggregator_is_noticed() -> None:
    users = DefinitionUsers()
    other = Key(Kind.WEBHOOK, "rival", "kit")
    assert users.replace(USER, (SERVER, "kit")) is None
    assert users.replace(other, (SERVER, "kit")) is None
    assert users.names(SERVER) == {"kit"}
    assert users.replace(USER, (SERVER, "box")) is None
    assert users.replace(other, None) == (SERVER, "kit")
    assert users.names(SERVER) == {"box"}


def test_definitions_leave_room_for_the_settings_and_are_not_written_without_them() -> None:
    table = ShardedTable(SERVER)
    part = table.part(SETTINGS)
    large = msgspec.structs.replace(definition(), spec="x" * 450 * 1024)
    assert not part.put(("definition", "trackpush/kit"), large)
    assert part.refused == {("definition", "trackpush/kit")}
    assert part.put(("definition", "trackpush/kit"), definition())
    assert part.begin(lambda: "r") is None, "a server without settings can't start"
    assert part.put(("settings", SERVER), ServerSettings(name=SERVER))
    attempt = part.begin(lambda: "r")
    assert attempt is not None
    assert attempt.shard.settings == ServerSettings(name=SERVER, definitions=(definition(),))


def test_the_clusters_settings_are_not_written_again_and_each_definition_has_a_number_of_its_own() -> None:
    table = served(definition("kit"), definition("other"))
    part = table.part(SETTINGS)
    assert {name for sort, name in part.entries if sort == "definition"} == {"trackpush/kit", "trackpush/other"}
    assert part.begin(lambda: "again") is None
    part.put(("definition", "trackpush/other"), definition("other", path="changed"))
    assert (part.need(("definition", "trackpush/kit")), part.is_written(("definition", "trackpush/kit"))) == (0, True)
    assert not part.is_written(("definition", "trackpush/other"))
