"""A server that reads shards takes what is well, keeps what was well, and drops no update while a part is missing."""

import asyncio
import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from support.bodies import body
from support.deadline import until
from support.serving import account, reception, serving, table
from support.volume import Volume, shard_with, written
from trackpush_api import shards
from trackpush_api.routing import RoutingTable
from trackpush_api.vocabulary import Aggregator
from trackpush_server.config.shards import ShardFolder
from trackpush_server.server import Server

A, B = shards.shard_name("a/a"), shards.shard_name("b/b")


def keys(a: str, b: str) -> RoutingTable:
    """Two accounts, in two shards."""
    return table(account(Aggregator.CLICKPOST, a, name="a/a"), account(Aggregator.CLICKPOST, b, name="b/b"))


OLD = keys("a-old", "b-old")
OF_A_LATER_VERSION = json.dumps(
    {
        "format": shards.FORMAT,
        "server": "trackpush/main",
        "name": A,
        "revision": "later",
        "accounts": [{"name": "a/a", "aggregator": {"form": "later"}, "key_digests": []}],
    }
).encode()
"""With an account that this version can't read, as an older version can't read one of an AggregatorDefinition."""


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    return Volume(tmp_path / "routing")


class Probe:
    """A server that is asked from outside."""

    def __init__(self, server: Server, client: aiohttp.ClientSession) -> None:
        self._server = server
        self._client = client

    async def post(self, key: str, mark: int = 1) -> tuple[int, str | None]:
        """Status and Retry-After."""
        url = f"http://{self._server.address}/rms/in/api/clickpost/notify"
        content = body("clickpost", mark=mark, shipment=mark, second=1)
        async with self._client.post(url, data=content, headers={"x-api-key": key}) as answer:
            await answer.read()
            return answer.status, answer.headers.get("Retry-After")

    async def knows(self, key: str) -> bool:
        return (await self.post(key))[0] == 200

    async def admin(self, path: str) -> tuple[int, str]:
        async with self._client.get(f"http://{self._server.admin_address}{path}") as answer:
            return answer.status, await answer.text()

    async def config(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((await self.admin("/config"))[1])
        return found

    async def until_config(self, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait until /config is so."""
        async with asyncio.timeout(5):
            while True:
                found = await self.config()
                if holds(found):
                    return found

    async def until_served(self, name: str, revision: str) -> dict[str, Any]:
        """Wait until a shard is served in this revision."""
        return await self.until_config(lambda found: found.get("files", {}).get(name) == revision)


def refusals(log: StringIO) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    return [line for line in lines if line["event"] == "routing_parts_refused"]


async def test_all_shards_are_served_and_config_shows_the_revision_of_each(
    tmp_path: Path, client: aiohttp.ClientSession, volume: Volume
) -> None:
    volume.swap(written(OLD))
    async with serving(tmp_path, source=ShardFolder(volume.root)) as server:
        probe = Probe(server, client)
        assert await probe.knows("a-old")
        assert await probe.knows("b-old")
        config = await probe.config()

    assert config["files"] == {"settings": "settings-1", A: f"{A}-1", B: f"{B}-1"}
    assert (config["server"], config["problems"], config["complete"]) == ("trackpush/main", [], True)


async def test_a_key_that_moves_to_another_shard_is_known_at_every_moment(
    tmp_path: Path, client: aiohttp.ClientSession, volume: Volume
) -> None:
    here, there = written(keys("moves", "b-old"), "1"), written(keys("a-new", "moves"), "2")
    volume.swap(here)
    async with serving(tmp_path, source=ShardFolder(volume.root)) as server:
        probe = Probe(server, client)
        stop = asyncio.Event()

        async def post(worker: int) -> set[int]:
            found = set()
            mark = worker
            while not stop.is_set():
                found.add((await probe.post("moves", mark))[0])
                mark += 4
            return found

        posting = [asyncio.create_task(post(worker)) for worker in range(4)]
        for files, revision in ((there, "2"), (here, "1"), (there, "2")):
            volume.swap(files)
            await probe.until_served(A, f"{A}-{revision}")
        assert not await probe.knows("b-old")
        stop.set()
        assert set.union(*await asyncio.gather(*posting)) == {200}


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (b"{", "not a shard"),
        (b"", "not a shard"),
        (shard_with(A, server="other/main"), "it is a shard of other/main, and this server is trackpush/main"),
        (shard_with("61"), "it contains shard 61"),
        (OF_A_LATER_VERSION, "not a shard: Expected `str`, got `object` - at `$.accounts[0].aggregator`"),
        (None, "the file is gone"),
    ],
)
async def test_a_broken_or_vanished_shard_keeps_its_last_good_version_and_the_others_are_taken(
    client: aiohttp.ClientSession, volume: Volume, log: StringIO, bad: bytes | None, says: str
) -> None:
    volume.swap(written(OLD))
    async with serving(volume.root.parent, source=ShardFolder(volume.root)) as server:
        probe = Probe(server, client)
        broken = written(keys("a-new", "b-new"), "2")
        del broken[A]
        volume.swap(broken | ({} if bad is None else {A: bad}))
        config = await probe.until_served(B, f"{B}-2")
        assert config["files"][A] == f"{A}-1"
        (problem,) = config["problems"]
        assert f"{A}.json" in problem
        assert says in problem
        assert [await probe.post(key) for key in ("a-old", "b-new")] == [(200, None)] * 2
        assert [await probe.post(key) for key in ("a-new", "b-old")] == [(401, None)] * 2
        assert config["complete"] is True

        volume.swap(written(keys("a-new", "b-new"), "3"))
        config = await probe.until_served(A, f"{A}-3")
        assert config["problems"] == []
        assert await probe.knows("a-new")

    assert [line["problems"] for line in refusals(log)] == [[problem]], "one line, when it broke"


async def test_a_broken_shard_is_reported_once_however_often_others_change(
    tmp_path: Path, client: aiohttp.ClientSession, volume: Volume, log: StringIO
) -> None:
    volume.swap(written(OLD))
    async with serving(tmp_path, source=ShardFolder(volume.root)) as server:
        probe = Probe(server, client)
        for revision in ("2", "3"):
            volume.swap(written(keys("a", f"b-{revision}"), revision) | {A: b"{"})
            await probe.until_served(B, f"{B}-{revision}")

    assert len(refusals(log)) == 1


@pytest.mark.parametrize("bad", [b"{", None])
async def test_broken_settings_keep_the_last_good_ones_and_the_shards_are_taken(
    tmp_path: Path, client: aiohttp.ClientSession, volume: Volume, bad: bytes | None
) -> None:
    volume.swap(written(OLD))
    async with serving(tmp_path, source=ShardFolder(volume.root)) as server:
        probe = Probe(server, client)
        files = written(keys("a-new", "b-new"), "2")
        del files["settings"]
        volume.swap(files | ({} if bad is None else {"settings": bad}))
        config = await probe.until_served(A, f"{A}-2")
        assert config["files"]["settings"] == "settings-1"
        assert "settings.json" in config["problems"][0]
        assert await probe.knows("a-new")
        assert (await probe.admin("/readyz"))[0] == 200


async def test_without_settings_it_starts_unready_and_takes_them_once_they_are_there(
    tmp_path: Path, client: aiohttp.ClientSession, volume: Volume, log: StringIO
) -> None:
    files = written(OLD)
    volume.swap({A: files[A]})
    async with serving(tmp_path, source=ShardFolder(volume.root)) as server:
        probe = Probe(server, client)
        assert await probe.admin("/readyz") == (503, '{"ok":false,"reasons":["no routing table is loaded"]}\n')
        assert (await probe.admin("/livez"))[0] == 200
        status, text = await probe.admin("/config")
        assert status == 503
        assert "settings.json does not exist yet" in text
        assert (await probe.post("a-old"))[0] == 503
        volume.swap(files)
        await probe.until_served(A, f"{A}-1")
        assert (await probe.admin("/readyz"))[0] == 200
        assert await probe.knows("a-old")
    assert "settings.json does not exist yet" in log.getvalue()


async def test_settings_of_another_server_than_the_chosen_one_are_not_taken(
    tmp_path: Path, client: aiohttp.ClientSession, volume: Volume
) -> None:
    volume.swap(written(OLD))
    async with serving(tmp_path, source=ShardFolder(volume.root, server="other/main")) as server:
        probe = Probe(server, client)
        assert (await probe.admin("/readyz"))[0] == 503
        assert "shard of trackpush/main, and this server is other/main" in (await probe.admin("/config"))[1]


async def test_with_a_shard_that_was_never_read_an_unknown_key_gets_a_503_to_come_again(
    tmp_path: Path, client: aiohttp.ClientSession, volume: Volume, log: StringIO
) -> None:
    files = written(OLD)
    volume.swap(files | {A: b"{"})
    async with serving(tmp_path, source=ShardFolder(volume.root)) as server:
        probe = Probe(server, client)
        assert (await probe.admin("/readyz"))[0] == 200
        assert (await probe.config())["complete"] is False
        assert await probe.post("a-old") == (503, "30")
        assert await probe.knows("b-old")
        async with client.post(f"http://{server.address}/rms/in/api/clickpost/notify", data=b"{}") as answer:
            assert answer.status == 200, "a probe needs no key"
        assert "trackpush_routing_table_incomplete 1.0" in (await probe.admin("/metrics"))[1]
        assert "request_postponed" in log.getvalue()

        del files[A]
        volume.swap(files)  # gone is no better than broken: nobody knows what it held
        await probe.until_config(lambda found: "the file is gone" in str(found["problems"]))
        assert (await probe.post("a-old"))[0] == 503

        volume.swap(written(OLD))
        await probe.until_served(A, f"{A}-1")
        assert await probe.knows("a-old")
        assert await probe.post("nobody's") == (401, None)
        assert "trackpush_routing_table_incomplete 0.0" in (await probe.admin("/metrics"))[1]


async def test_a_new_shard_that_comes_broken_makes_the_table_incomplete_until_it_is_repaired(
    tmp_path: Path, client: aiohttp.ClientSession, volume: Volume
) -> None:
    whole = written(OLD)
    volume.swap({name: content for name, content in whole.items() if name != A})
    async with serving(tmp_path, source=ShardFolder(volume.root)) as server:
        probe = Probe(server, client)
        assert await probe.post("a-old") == (401, None)
        volume.swap(whole | {A: b"{"})
        await probe.until_config(lambda found: not found["complete"])
        assert await probe.post("a-old") == (503, "30")
        volume.swap(whole)
        await probe.until_config(lambda found: bool(found["complete"]))
        assert await probe.knows("a-old")


async def test_only_a_shard_whose_content_changed_is_decoded(
    tmp_path: Path, client: aiohttp.ClientSession, volume: Volume
) -> None:
    source = ShardFolder(volume.root)
    volume.swap(written(OLD))
    async with serving(tmp_path, source=source) as server:
        probe = Probe(server, client)
        assert source.decoded == 3
        before = reception(server).receiver.serving
        volume.swap(written(OLD) | {A: written(keys("a-new", "b-old"), "2")[A]})
        await probe.until_served(A, f"{A}-2")
        assert source.decoded == 4
        after = reception(server).receiver.serving
        assert before is not None
        assert after is not None
        assert after.table.accounts[1] is before.table.accounts[1]
        assert after.table.revision != before.table.revision
        volume.swap({name: (volume.root / f"{name}.json").read_bytes() for name in ("settings", A, B)})
        fingerprint = source.fingerprint()
        await until(lambda: server._watcher._taken == fingerprint, seconds=5, what="a look at the same again")
        assert (source.decoded, reception(server).receiver.serving) == (4, after), "nothing changed: nothing is swapped"
