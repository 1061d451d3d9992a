"""A folder of resource files: every change is seen, the valid files count at once, and a bad one harms nobody."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from support.deadline import until
from trackpush_api.routing import RoutingTable, digest_key
from trackpush_cli.folder import compile_all
from trackpush_server.config.resources import GRACE, ResourceFolder
from trackpush_server.config.source import Loaded
from trackpush_server.config.watch import ConfigWatcher, Report, Swap
from trackpush_server.telemetry.routing import RoutingTelemetry

SERVER = """
apiVersion: trackpush.dev/v1alpha1
kind: WebhookServer
metadata: {name: main, namespace: trackpush}
spec: {allowedNamespaces: {from: All}, egress: {httpsOnly: false, allowedCIDRs: [127.0.0.0/8]}}
"""


def client(name: str, *, url: str = "http://127.0.0.1:8001/hook", key: str = "") -> str:
    """All resources of one client, its Secret last."""
    return f"""
apiVersion: trackpush.dev/v1alpha1
kind: AggregatorWebhook
metadata: {{name: clickpost, namespace: {name}}}
spec:
  aggregator: Clickpost
  serverRef: {{name: main, namespace: trackpush}}
  keys: [{{secretKeyRef: {{name: keys, key: clickpost}}}}]
---
apiVersion: trackpush.dev/v1alpha1
kind: PushConfig
metadata: {{name: oms, namespace: {name}}}
spec: {{url: "{url}"}}
---
apiVersion: v1
kind: Secret
metadata: {{name: keys, namespace: {name}}}
stringData: {{clickpost: "{key or f"key-of-{name}-clickpost"}"}}
"""


class Clock:
    """Seconds that only the test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "resources"
    made.mkdir()
    (made / "server.yaml").write_text(SERVER)
    for name in ("acme", "zen"):
        (made / f"{name}.yaml").write_text(client(name))
    return made


def urls(loaded: Loaded) -> dict[str, str]:
    assert loaded.table is not None
    return {destination.name: destination.url for destination in loaded.table.destinations}


def keys(loaded: Loaded) -> set[str]:
    assert loaded.table is not None
    return {digest for account in loaded.table.accounts for digest in account.key_digests}


ACME, ZEN = digest_key("key-of-acme-clickpost"), digest_key("key-of-zen-clickpost")


def test_nothing_changed_is_the_same_fingerprint_the_same_table_and_the_same_revisions(folder: Path) -> None:
    source = ResourceFolder(folder)
    first = source.load()

    assert source.fingerprint() == source.fingerprint()
    assert source.load().table is first.table
    assert source.load().revisions == first.revisions
    assert first.revisions != ResourceFolder(folder).load().revisions  # salted


@pytest.mark.parametrize("change", ["write", "add", "remove", "replace", "touch", "subfolder", "link", "mode"])
def test_every_change_changes_the_fingerprint(tmp_path: Path, change: str) -> None:
    file, other = tmp_path / "a.yaml", tmp_path / "b.yml"
    for name in ("1", "2"):
        (tmp_path / f"..{name}").mkdir()
        (tmp_path / f"..{name}" / "c.yaml").write_text("same")
    data = tmp_path / "..data"
    data.symlink_to("..1")
    (tmp_path / "c.yaml").symlink_to("..data/c.yaml")
    file.write_text("k1")
    other.write_text("k1")
    source = ResourceFolder(tmp_path)
    before = source.fingerprint()

    match change:
        case "write":
            file.write_text("k1 k2")
        case "add":
            (tmp_path / "new.json").write_text("{}")
        case "remove":
            other.unlink()
        case "replace":
            (tmp_path / ".draft").write_text("k2")
            (tmp_path / ".draft").replace(file)
        case "touch":
            os.utime(file, ns=(1, 1))
        case "subfolder":
            (tmp_path / "sub").mkdir()
            (tmp_path / "sub" / "d.yaml").write_text("k1")
        case "link":
            (tmp_path / "..new").symlink_to("..2")
            (tmp_path / "..new").replace(data)
        case "mode":
            file.chmod(0o600)

    assert source.fingerprint() != before


def test_drafts_and_other_files_change_nothing(folder: Path) -> None:
    before = ResourceFolder(folder).fingerprint()
    (folder / ".a.yaml.swp").write_text("k2")
    (folder / "notes.txt").write_text("k2")

    assert ResourceFolder(folder).fingerprint() == before


def _dangling(path: Path) -> None:
    path.symlink_to("nowhere.yaml")


def _socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # the path of a socket may only be short
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


def _huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(9 * 1024 * 1024)


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (_dangling, "x.yaml: is a link to a file that does not exist; correct or remove it"),
        (_loop, "x.yaml: can't be read (Too many levels of symbolic links); correct or remove it"),
        (os.mkfifo, "x.yaml: is a FIFO, not a file; remove it"),
        (_socket, "x.yaml: is a socket, not a file; remove it"),
        (Path.mkdir, "x.yaml: warning: is a folder with the name of a file; rename it"),
        (lambda path: path.symlink_to(path.parent), "x.yaml: is a link to a folder, not a file; remove it"),
        (lambda path: path.symlink_to("/dev/zero"), "x.yaml: is a device, not a file; remove it"),
        (_huge, "x.yaml: has 9.0 MiB; at most 8 MiB are read: split it"),
        (lambda path: path.write_bytes(b"\xff\xfe"), "x.yaml: is not text in UTF-8; save it as UTF-8"),
        (lambda path: path.write_text("a: [\n"), "x.yaml:2: invalid YAML: "),
        (lambda path: path.write_text("a: \x07\n"), "x.yaml:1: invalid YAML: the character U+0007, which YAML does"),
    ],
)  # fmt: skip
def test_what_is_not_a_readable_file_is_reported_by_check_and_serve_and_delays_nobody(
    folder: Path, make: Callable[[Path], object], says: str
) -> None:
    source = ResourceFolder(folder)
    source.load()
    make(folder / "x.yaml")
    (folder / "zen.yaml").write_text(client("zen", url="http://127.0.0.1:8002/new"))

    loaded = source.load()
    assert urls(loaded) == {"acme/oms": "http://127.0.0.1:8001/hook", "zen/oms": "http://127.0.0.1:8002/new"}
    assert any(problem.startswith(says) for problem in (*loaded.problems, *loaded.warnings)), loaded
    assert any(str(problem).startswith(says) for problem in compile_all(folder, server=None).problems)
    assert source.fingerprint() == source.fingerprint()


def test_a_file_that_nobody_may_read_keeps_its_client(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = ResourceFolder(folder)
    source.load()
    opened = os.open

    def refuse(path: str, *rest: int) -> int:
        if str(path).endswith("acme.yaml"):
            raise PermissionError(13, "Permission denied")
        return opened(path, *rest)

    monkeypatch.setattr(os, "open", refuse)  # root may read everything
    (folder / "acme.yaml").chmod(0)
    loaded = source.load()
    assert keys(loaded) == {ACME, ZEN}
    (problem,) = loaded.problems
    assert problem == (
        "acme.yaml: can't be read (Permission denied); make it readable"
        " (until then the previous content of the file is served)"
    )
    monkeypatch.undo()
    (folder / "acme.yaml").chmod(0o600)
    assert source.load().problems == ()


BROKEN = {
    "syntax": "a: [",
    "spec": client("acme").replace("aggregator: Clickpost", "aggregator: Clickpst"),
    "both specs": client("acme").replace("spec:", "spec: {x: 1} #").replace("spec: {url", "spec: {ulr"),
    "kind": client("acme").replace("kind: PushConfig", "kind: Pushconfig"),
    "url": client("acme", url="http://10.0.0.5/hook"),
    "secret": client("acme").replace("stringData: {clickpost", "stringData: {other"),
    "number": client("acme").replace('"key-of-acme-clickpost"', "0123456701234567"),
    "no secret": client("acme").rpartition("---")[0],
    "server": client("acme").replace("name: main", "name: mian"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_client_is_served_as_before_while_the_changes_of_others_count(folder: Path, what: str) -> None:
    source = ResourceFolder(folder, clock=(clock := Clock()))
    source.load()
    (folder / "acme.yaml").write_text(BROKEN[what])
    (folder / "zen.yaml").write_text(client("zen", url="http://127.0.0.1:8002/new"))

    for _ in range(3):
        loaded = source.load()
        assert urls(loaded) == {"acme/oms": "http://127.0.0.1:8001/hook", "zen/oms": "http://127.0.0.1:8002/new"}
        assert keys(loaded) == {ACME, ZEN}
        assert loaded.problems
        assert loaded.kept
        assert loaded.complete
        clock.now += GRACE
        source.fingerprint()

    (folder / "acme.yaml").write_text(client("acme", url="http://127.0.0.1:8003/mended"))
    mended = source.load()
    assert (mended.problems, mended.kept) == ((), ())
    assert urls(mended)["acme/oms"] == "http://127.0.0.1:8003/mended"


@pytest.mark.parametrize("loss", ["gone", "empty", "cut off", "renamed namespace"])
def test_a_client_that_is_lost_is_served_until_it_has_been_lost_for_a_few_seconds(folder: Path, loss: str) -> None:
    source = ResourceFolder(folder, clock=(clock := Clock()))
    source.load()
    file = folder / "acme.yaml"
    match loss:
        case "gone":
            file.unlink()
        case "empty":
            file.write_text("")
        case "cut off":
            file.write_text(client("acme")[: client("acme").index("---")])
        case "renamed namespace":
            file.write_text(client("other"))

    held = source.load()
    assert urls(held)["acme/oms"] == "http://127.0.0.1:8001/hook"
    assert any(
        "acme.yaml: warning: PushConfig acme/oms: is no longer in its file; it is removed after 5 s" in warning
        for warning in held.warnings
    )
    before = source.fingerprint()
    clock.now += GRACE
    assert source.fingerprint() != before, "the watcher has to look again"
    given_up = source.load()
    assert "acme/oms" not in urls(given_up)
    assert not any("is gone" in warning for warning in given_up.warnings)
    assert urls(given_up)["zen/oms"]
    file.write_text(client("acme"))
    assert keys(source.load()) >= {ACME, ZEN}


def test_a_file_that_comes_back_within_the_time_loses_nothing_and_the_time_begins_again(folder: Path) -> None:
    source = ResourceFolder(folder, clock=(clock := Clock()))
    source.load()
    for _ in range(4):
        (folder / "acme.yaml").unlink()
        assert keys(source.load()) == {ACME, ZEN}
        clock.now += GRACE - 1
        source.fingerprint()
        (folder / "acme.yaml").write_text(client("acme"))
        assert keys(source.load()) == {ACME, ZEN}


def test_changes_of_others_do_not_prolong_the_time_of_a_lost_client(folder: Path) -> None:
    source = ResourceFolder(folder, clock=(clock := Clock()))
    source.load()
    (folder / "acme.yaml").unlink()
    assert "acme/oms" in urls(source.load())
    for number in range(round(GRACE)):
        clock.now += 1
        source.fingerprint()
        (folder / "zen.yaml").write_text(client("zen", url=f"http://127.0.0.1:8002/{number}"))
        found = urls(source.load())
        assert found["zen/oms"] == f"http://127.0.0.1:8002/{number}"
    assert "acme/oms" not in found


def test_a_resource_that_moves_to_another_file_is_served_from_there_at_once(folder: Path) -> None:
    source = ResourceFolder(folder)
    source.load()
    (folder / "acme.yaml").unlink()
    (folder / "acme2.yaml").write_text(client("acme", url="http://127.0.0.1:8004/moved"))
    loaded = source.load()
    assert urls(loaded)["acme/oms"] == "http://127.0.0.1:8004/moved"
    assert (loaded.kept, loaded.problems) == ((), ())


@pytest.mark.parametrize("text", ["a: [", SERVER.replace("httpsOnly: false", "httpsOnly: maybe"), ""])
def test_a_broken_webhook_server_keeps_its_settings_while_clients_change(folder: Path, text: str) -> None:
    source = ResourceFolder(folder)
    before = source.load().table
    (folder / "server.yaml").write_text(text)
    (folder / "zen.yaml").write_text(client("zen", url="http://127.0.0.1:8002/new"))
    loaded = source.load()
    assert urls(loaded)["zen/oms"] == "http://127.0.0.1:8002/new"
    assert before is not None
    assert loaded.table is not None
    assert loaded.table.server == before.server


def test_a_changed_push_config_counts_although_another_resource_of_its_namespace_is_served_as_before(
    folder: Path,
) -> None:
    second = (
        client("acme").split("---")[0].replace("name: clickpost", "name: second", 1).replace("Clickpost", "Shipway")
    )
    (folder / "acme2.yaml").write_text(second)
    source = ResourceFolder(folder)
    source.load()
    (folder / "acme2.yaml").write_text(second.replace("Shipway", "Shipwey"))
    (folder / "acme.yaml").write_text(client("acme", url="http://127.0.0.1:8003/new"))
    loaded = source.load()
    assert loaded.kept == ("AggregatorWebhook acme/second",)
    assert urls(loaded)["acme/oms"] == "http://127.0.0.1:8003/new"


def test_what_somebody_decided_takes_effect_at_once(folder: Path) -> None:
    source = ResourceFolder(folder)
    source.load()
    (folder / "server.yaml").write_text(SERVER.replace("from: All", "from: Same"))
    assert keys(source.load()) == set()


def test_a_client_whose_key_another_has_is_not_kept_because_another_of_its_keys_is_missing(folder: Path) -> None:
    source = ResourceFolder(folder)
    source.load()
    missing = "{secretKeyRef: {name: keys, key: missing}}"
    (folder / "zen.yaml").write_text(client("zen", key="key-of-acme-clickpost").replace("}}]", f"}}}}, {missing}]"))
    loaded = source.load()
    assert any("this key is taken by" in problem for problem in loaded.problems)
    assert any('no key "missing"' in problem for problem in loaded.problems)
    assert keys(loaded) == {ACME}


def test_a_key_of_a_broken_client_that_another_takes_over_belongs_to_the_other(folder: Path) -> None:
    source = ResourceFolder(folder)
    source.load()
    (folder / "acme.yaml").write_text("a: [")
    (folder / "zen.yaml").write_text(client("zen", key="key-of-acme-clickpost"))
    loaded = source.load()
    assert loaded.table is not None
    assert [account.name for account in loaded.table.accounts if ACME in account.key_digests] == ["zen/clickpost"]


@pytest.mark.parametrize("what", ["syntax", "spec", "number"])
def test_a_start_with_a_broken_file_serves_the_others_and_calls_no_key_unknown(folder: Path, what: str) -> None:
    (folder / "acme.yaml").write_text(BROKEN[what])
    source = ResourceFolder(folder)
    loaded = source.load()
    assert keys(loaded) == {ZEN}
    assert loaded.problems
    assert not loaded.complete
    (folder / "acme.yaml").write_text(client("acme"))
    assert source.load().complete


def test_only_a_changed_file_is_read_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = ResourceFolder(folder)
    source.load()
    opened: list[str] = []
    real = os.open
    monkeypatch.setattr(os, "open", lambda path, *rest: opened.append(Path(path).name) or real(path, *rest))
    (folder / "zen.yaml").write_text(client("zen", url="http://127.0.0.1:8002/new"))
    source.load()
    assert opened == ["zen.yaml"]


def test_warnings_are_reported_beside_the_table(folder: Path) -> None:
    (folder / "zen.yaml").write_text(
        client("zen").replace("metadata: {name: oms, namespace: zen}", "metadata: {name: o}")
    )
    warnings = ResourceFolder(folder).load().warnings
    assert 'zen.yaml:12: warning: PushConfig o metadata.namespace: is missing, so "default" is used; set it' in warnings


@asynccontextmanager
async def watching(
    folder: Path, taken: list[RoutingTable], **options: Callable[..., object]
) -> AsyncIterator[ConfigWatcher]:
    def prepare(loaded: Loaded) -> Swap:
        async def swap() -> None:
            assert loaded.table is not None
            taken.append(loaded.table)

        return swap

    telemetry = RoutingTelemetry(CollectorRegistry())
    watcher = ConfigWatcher(ResourceFolder(folder), telemetry=telemetry, prepare=prepare, **options)  # type: ignore[arg-type]
    await watcher.load()
    await watcher.start()
    try:
        yield watcher
    finally:
        await watcher.stop()


async def test_a_file_that_is_empty_while_it_is_saved_drops_nobody(folder: Path) -> None:
    taken: list[RoutingTable] = []
    file = folder / "acme.yaml"
    async with watching(folder, taken) as watcher:
        for number in range(3):
            file.write_text("")
            await asyncio.sleep(0)  # seen by whoever looks right now
            file.write_text(client("acme", url=f"http://127.0.0.1:8001/{number}"))
        await until(lambda: len(taken) == 2, seconds=30, what="the saved file")
        report = watcher.report()
        assert isinstance(report, Report)
        assert report.problems == ()
        assert list(report.files) == ["acme.yaml", "server.yaml", "zen.yaml"]
        assert all(len(table.destinations) == 2 for table in taken)


async def test_a_lost_file_is_given_up_without_another_change(folder: Path) -> None:
    taken: list[RoutingTable] = []
    async with watching(folder, taken):
        (folder / "acme.yaml").unlink()
        await until(lambda: len(taken[-1].destinations) == 1, seconds=60, what="the end of the lost client")


async def test_a_table_that_the_running_server_cant_take_over_is_reported_and_the_last_one_stays(folder: Path) -> None:
    taken: list[RoutingTable] = []

    def refuse(found: RoutingTable) -> str | None:
        return "set it back" if found.destinations[0].url.endswith("/refused") else None

    async with watching(folder, taken, refuse=refuse) as watcher:
        (folder / "acme.yaml").write_text(client("acme", url="http://127.0.0.1:8001/refused"))
        await until(
            lambda: isinstance(found := watcher.report(), Report) and found.problems == ("set it back",),
            seconds=30,
            what="the refusal",
        )
        (folder / "acme.yaml").write_text(client("acme", url="http://127.0.0.1:8001/fine"))
        await until(lambda: len(taken) == 2, seconds=30, what="the next table")
        report = watcher.report()
        assert isinstance(report, Report)
        assert report.problems == ()


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        ResourceFolder(tmp_path / "nowhere").fingerprint()
