"""The operator warns of a server whose accounts at one signing aggregator have more secrets than are tried."""

import pytest

from support import objects
from support.objects import Body
from trackpush_api import signature_bounds
from trackpush_api.definitions import DefinitionLibrary
from trackpush_api.problems import Severity
from trackpush_api.routing import Account, digest_key
from trackpush_api.shards import Shard, shard_name
from trackpush_operator.compile import secret_counts
from trackpush_operator.compile.compiler import Compiler
from trackpush_operator.store.objects import Key, Kind, server_key
from trackpush_operator.store.resources import ResourceCache
from trackpush_operator.store.shard_revisions import ShardedTable
from trackpush_operator.store.tombstones import Tombstones

NAME = "trackpush/main"
SERVER = server_key(NAME)
MOST = 2


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signature_bounds, "MOST_SECRETS", MOST)
    monkeypatch.setattr(secret_counts, "MOST_SECRETS", MOST)


class Cluster:
    """A server with a signing aggregator, and its clients."""

    def __init__(self) -> None:
        self.cache = ResourceCache(Tombstones())
        self.compiler = Compiler(self.cache, lambda: 0.0, library=DefinitionLibrary())
        signs = {"signature": {"header": "X-Signature"}}
        self.take(objects.server(), objects.definition("kit", authentication=signs))

    def take(self, *bodies: Body) -> None:
        for body in bodies:
            if body["kind"] == "Secret":
                self.cache.take_secret(objects.made(body))
            else:
                self.cache.take_item(Kind(body["kind"]), objects.made(body))

    def client(self, namespace: str) -> Key:
        self.take(
            objects.webhook("kit", namespace, aggregator="kit", serverRef={"name": "main", "namespace": "trackpush"}),
            objects.secret("keys", namespace, **{"in": f"a-long-key-of-{namespace}"}),
        )
        return Key(Kind.WEBHOOK, namespace, "kit")

    def adopt(self, table: ShardedTable) -> None:
        for item in self.compiler.definitions.unchecked("trackpush"):
            self.compiler.definitions.take_check(item, ())
        for key in self.compiler.adopt(table):
            self.compiler.decide(key)

    def warnings(self) -> list[str]:
        self.compiler.decide(SERVER)
        problems = self.compiler.verdicts[SERVER].problems
        return [problem.message for problem in problems if problem.severity is Severity.WARNING]


def test_the_account_that_exceeds_the_bound_makes_the_servers_condition_say_so_until_it_is_gone() -> None:
    cluster = Cluster()
    keys = [cluster.client(namespace) for namespace in ("acme", "bravo")]
    cluster.adopt(ShardedTable(NAME))
    assert cluster.warnings() == []
    third = cluster.client("charlie")

    assert SERVER in cluster.compiler.decide(third).again

    (warning,) = cluster.warnings()
    assert "the accounts of kit have 3 secrets, but at most 2 are tried" in warning
    cluster.cache.drop_item(keys[0], int(objects.made({"metadata": {}})["metadata"]["resourceVersion"]))
    assert SERVER in cluster.compiler.decide(keys[0]).again
    assert cluster.warnings() == []


def test_accounts_of_the_clusters_table_are_counted_before_anything_is_decided() -> None:
    cluster = Cluster()
    table = ShardedTable(NAME)
    for namespace in ("acme", "bravo", "charlie"):
        cluster.client(namespace)
        name, key = f"{namespace}/kit", f"a-long-key-of-{namespace}"
        account = Account(name=name, aggregator="kit", key_digests=(digest_key(key),), secrets=(key,))
        shard = shard_name(name)
        table.part(shard).seed(Shard(server=NAME, name=shard, revision="r", accounts=(account,)))
    cluster.adopt(table)

    assert "have 3 secrets" in cluster.warnings()[0]


def test_accounts_without_secrets_are_not_counted() -> None:
    counts = secret_counts.SecretCounts()
    account = Account(name="acme/clickpost", aggregator="Clickpost", key_digests=("a", "b", "c"))

    assert not counts.replace(NAME, None, account)
    assert counts.of(NAME)["Clickpost"] == 0
