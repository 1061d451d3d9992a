"""AggregatorDefinitions in a watched folder: a bad or deleted one never stops an account that uses it."""

from pathlib import Path

import pytest

from trackpush_api.routing import Definition, digest_key
from trackpush_server.config.resources import GRACE, ResourceFolder
from trackpush_server.config.source import Loaded

SERVER = """
apiVersion: trackpush.dev/v1alpha1
kind: WebhookServer
metadata: {name: main, namespace: acme}
spec: {}
"""
DEFINITION = """
apiVersion: trackpush.dev/v1alpha1
kind: AggregatorDefinition
metadata: {name: parcelkit, namespace: acme}
spec:
  path: parcelkit
  fields: {awb: waybill}
  status: {code: state, table: [{when: DL, status: DELIVERED}]}
  samples: [{name: one, body: {waybill: "1", state: dl}, expect: [{awb: "1", status: DELIVERED}]}]
"""
ACCOUNT = """
apiVersion: trackpush.dev/v1alpha1
kind: AggregatorWebhook
metadata: {name: kit, namespace: acme}
spec:
  aggregator: parcelkit
  keys: [{secretKeyRef: {name: keys, key: kit}}]
---
apiVersion: trackpush.dev/v1alpha1
kind: PushConfig
metadata: {name: oms, namespace: acme}
spec: {url: "https://oms.acme.example/"}
---
apiVersion: v1
kind: Secret
metadata: {name: keys, namespace: acme}
stringData: {kit: the-first-key-of-acme}
"""
TITLE = "AggregatorDefinition acme/parcelkit"


class Watched:
    """A folder that is read, with a clock that only the test moves."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = 100.0
        self._source = ResourceFolder(folder, clock=lambda: self.now)

    def write(self, name: str, text: str) -> Loaded:
        (self.folder / name).write_text(text)
        return self.load()

    def load(self) -> Loaded:
        self._source.fingerprint()
        return self._source.load()


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    (tmp_path / "server.yaml").write_text(SERVER)
    (tmp_path / "account.yaml").write_text(ACCOUNT)
    (tmp_path / "kit.yaml").write_text(DEFINITION)
    found = Watched(tmp_path)
    assert found.load().problems == ()
    return found


def served(loaded: Loaded) -> tuple[list[Definition], list[str]]:
    """The definitions, and the names of the accounts."""
    assert loaded.table is not None
    return list(loaded.table.server.definitions), [account.name for account in loaded.table.accounts]


def test_a_changed_definition_is_in_the_next_table(watched: Watched) -> None:
    before, _ = served(watched.load())
    after, accounts = served(watched.write("kit.yaml", DEFINITION.replace("path: parcelkit", "path: kit")))
    assert [definition.path for definition in (*before, *after)] == ["parcelkit", "kit"]
    assert accounts == ["acme/kit"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("when: DL", "when: DX", id="a sample fails"),
        pytest.param("status: DELIVERED}]", "status: DELIVRED}]", id="a status is unknown"),
        pytest.param("awb: waybill", "awb: waybill..x", id="a path can't be read"),
        pytest.param("path: parcelkit", "path: st", id="the path is reserved"),
        pytest.param("spec:", "spec: [", id="the file is not YAML"),
    ],
)
def test_while_a_definition_is_broken_its_last_good_version_is_used(watched: Watched, old: str, new: str) -> None:
    good = served(watched.load())
    broken = watched.write("kit.yaml", DEFINITION.replace(old, new))
    assert served(broken) == good
    assert broken.problems
    watched.now += 10 * GRACE
    assert served(watched.load()) == good
    assert watched.write("kit.yaml", DEFINITION).problems == ()


def test_the_problem_says_which_version_is_used(watched: Watched, tmp_path: Path) -> None:
    text = DEFINITION.replace("when: DL", "when: DX")
    (told,) = watched.write("kit.yaml", text).problems
    assert told.endswith("(until then its previous version is served)")
    told, *_ = Watched(tmp_path).load().problems
    assert told.endswith("(until then it is not used)")


def test_a_deleted_definition_in_use_is_served_on_and_keys_can_still_be_rotated(watched: Watched) -> None:
    good, _ = served(watched.load())
    (watched.folder / "kit.yaml").unlink()
    watched.load()
    watched.now += 10 * GRACE
    found = watched.write("account.yaml", ACCOUNT.replace("the-first-key", "the-second-key"))
    assert served(found) == (good, ["acme/kit"])
    assert found.table is not None
    assert found.table.accounts[0].key_digests == (digest_key("the-second-key-of-acme"),)
    (told,) = found.warnings
    assert f"{TITLE} was deleted; its last version is used" in told


def test_a_deleted_definition_is_gone_when_nothing_names_it_any_more(watched: Watched) -> None:
    (watched.folder / "kit.yaml").unlink()
    (told, *_) = [warning for warning in watched.load().warnings if TITLE + ": is no longer in its file" in warning]
    assert told.endswith("it is removed unless a resource names it after 5 s")
    (watched.folder / "account.yaml").unlink()
    watched.load()
    watched.now += GRACE
    definitions, accounts = served(watched.load())
    assert (definitions, accounts) == ([], [])


def test_a_kept_account_keeps_the_definition_that_was_deleted_with_its_file_broken(watched: Watched) -> None:
    good = served(watched.load())
    (watched.folder / "kit.yaml").unlink()
    watched.write("account.yaml", ACCOUNT.replace("keys: [{", "kees: [{"))
    watched.now += 10 * GRACE
    assert served(watched.load()) == good


def test_a_folder_whose_definition_was_never_good_is_incomplete(tmp_path: Path) -> None:
    (tmp_path / "server.yaml").write_text(SERVER)
    (tmp_path / "account.yaml").write_text(ACCOUNT)
    started = Watched(tmp_path)
    assert not started.load().complete, "the definition is missing"
    assert not started.write("kit.yaml", DEFINITION.replace("when: DL", "when: DX")).complete
    assert started.write("kit.yaml", DEFINITION).complete
