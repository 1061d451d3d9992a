"""A running server with encrypted bodies: nothing in clear on the disk, keys that change or go missing."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import msgspec
import pytest
import yaml
from aiohttp import web

from support.bodies import body
from support.deadline import until
from support.load import open_aggregator
from support.manifests import Client, write
from support.server import running
from support.serving import HeldSource, account, serving, table
from support.sink import Arrival, Sink, open_sink
from trackpush_api.routing import Destination, Encryption, RoutingTable
from trackpush_api.vocabulary import Aggregator
from trackpush_server.config.source import Loaded
from trackpush_server.journal.model import PushState
from trackpush_server.journal.sealing import key_id
from trackpush_server.journal.search import PushQuery
from trackpush_server.journal.sqlite.file_reader import JournalReader
from trackpush_server.server import Server

MANY = 100
OLD, NEW = b"o" * 32, b"n" * 32
PLACE = b"MiraRd"
"""Stands in every body, and in nothing that isn't one."""
REFS = {"keys": [{"secretKeyRef": {"name": "own", "key": "one"}}]}


def files_with(folder: Path, text: bytes) -> list[str]:
    return [path.name for path in sorted(folder.iterdir()) if text in path.read_bytes()]


def resources(folder: Path, client: Client, *, encrypted: bool, key: bytes = NEW) -> Path:
    """With a Secret for the keys of the journal."""
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "own", "namespace": "trackpush"},
        "stringData": {"one": base64.b64encode(key).decode()},
    }
    write(folder, [client], {"encryption": REFS} if encrypted else None)
    (folder / "keys.yaml").write_text(yaml.safe_dump(secret), encoding="utf-8")
    return folder


async def quote(arrival: Arrival) -> web.Response:
    """Refuse, with words of the body that are too short to be told from the endpoint's own."""
    del arrival
    return web.Response(status=500, text=f"unknown place {PLACE.decode()}")


@pytest.mark.slow
@pytest.mark.parametrize("encrypted", [True, False])
async def test_no_file_holds_a_body_after_load_and_kill_and_all_is_pushed_after(
    tmp_path: Path, *, encrypted: bool
) -> None:
    data = tmp_path / "data"
    async with open_sink(quote) as sink:
        client = Client(name="acme", url=sink.url, delivery={"retry": {"schedule": ["100ms"]}})
        folder = resources(tmp_path / "resources", client, encrypted=encrypted)
        async with running(folder, data) as server, open_aggregator(server.url, client) as aggregator:
            await aggregator.many(range(MANY))
            await until(lambda: len(sink.arrivals) > 5, seconds=30, what="failed attempts")
            await server.kill()
            assert bool(files_with(data, PLACE)) is not encrypted
            await server.start()
            sink.behaviour = _accept
            await until(lambda: sink.marks == set(range(MANY)), seconds=60, what=lambda: f"{len(sink.marks)} arrived")
            assert await server.terminate() == 0, server.tail()
            assert bool(files_with(data, PLACE)) is not encrypted
    assert all(PLACE in arrival.body for arrival in sink.arrivals), "the client gets all of it"
    text = base64.b64encode(NEW).decode()
    assert not any(text in str(line) for line in server.log)


async def _accept(arrival: Arrival) -> int:
    del arrival
    return 200


async def test_a_key_that_is_missing_or_wrong_stops_the_start_and_a_reload(tmp_path: Path) -> None:
    async with open_sink() as sink:
        client = Client(name="acme", url=sink.url)
        folder = resources(tmp_path / "resources", client, encrypted=True)
        async with running(folder, tmp_path / "data") as server, open_aggregator(server.url, client) as aggregator:
            resources(folder, client, encrypted=True, key=b"short")
            await until(lambda: "has 5 bytes" in server.tail(), seconds=20, what=server.tail)
            assert (await aggregator.post(1)).status == 200
            await until(lambda: sink.marks == {1}, seconds=20, what="the push")
            await server.terminate()
            assert files_with(tmp_path / "data", PLACE) == []


class Rig(NamedTuple):
    """A server in this process, whose keys the test changes."""

    server: Server
    source: HeldSource
    sink: Sink
    data: Path
    base: RoutingTable

    async def use(self, *keys: bytes, decrypt_only: bool = False, suspended: bool = False) -> None:
        """Set these keys, and wait until the server uses them."""
        encryption = Encryption(keys=keys, decrypt_only=decrypt_only) if keys else None
        settings = msgspec.structs.replace(self.base.server, encryption=encryption)
        destinations = [
            msgspec.structs.replace(destination, suspended=suspended) for destination in self.base.destinations
        ]
        changed = msgspec.structs.replace(self.base, server=settings, destinations=tuple(destinations))
        self.source.loaded = Loaded(table=changed)

        async def taken() -> bool:
            return bool((await self.ask("GET", "/config"))["revision"] == changed.revision)

        await eventually(taken)

    async def ask(self, method: str, path: str, request: object = None) -> Any:
        """The admin port's answer."""
        url = f"http://{self.server.admin_address}{path}"
        async with aiohttp.ClientSession() as session, session.request(method, url, json=request) as answer:
            return await answer.json()

    async def job(self, path: str, request: object) -> dict[str, Any]:
        """A job at its end."""
        job = await self.ask("POST", path, request)
        while job["state"] == "running":
            job = await self.ask("GET", f"{path}/{job['id']}")
        return dict(job)

    async def post(self, *marks: int, shipment: int | None = None) -> None:
        """One update per mark, each of a shipment of its own unless given."""
        url = f"http://{self.server.address}/rms/in/api/clickpost/notify?key=k"
        async with aiohttp.ClientSession() as session:
            for mark in marks:
                content = body("clickpost", mark=mark, shipment=mark if shipment is None else shipment, second=mark)
                async with session.post(url, data=content) as answer:
                    assert answer.status == 200

    async def arrived(self, *marks: int) -> None:
        """Wait until exactly these have come, in any order."""
        await until(
            lambda: sorted(arrival.mark or 0 for arrival in self.sink.arrivals) == sorted(marks),
            seconds=30,
            what=lambda: str([arrival.mark for arrival in self.sink.arrivals]),
        )

    async def reseal(self) -> dict[str, Any]:
        """What it came to."""
        return await self.job("/api/v1/reseals", {})


async def eventually(what: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(30):
        while not await what():
            pass


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with open_sink() as sink:
        base = table(account(Aggregator.CLICKPOST, "k"), destinations=[Destination(name="acme/push", url=sink.url)])
        source = HeldSource(base)
        async with serving(tmp_path, source=source) as server:
            yield Rig(server, source, sink, tmp_path / "data", base)


async def test_encryption_is_turned_on_over_a_full_journal_and_a_reseal_leaves_nothing_in_clear(rig: Rig) -> None:
    await rig.post(*range(1, 60))
    await rig.use(NEW)
    await rig.post(*range(60, 80))
    assert files_with(rig.data, PLACE)
    done = await rig.reseal()
    assert (done["state"], done["looked"], done["resealed"], done["unreadable"]) == ("done", 79, 59, 0)
    assert files_with(rig.data, PLACE) == []
    await rig.arrived(*range(1, 80))
    await rig.job("/api/v1/replays", {"client": "acme", "states": ["delivered"]})
    await until(lambda: len(rig.sink.arrivals) == 158, seconds=30, what="what was sealed anew")
    assert all(PLACE in arrival.body for arrival in rig.sink.arrivals)


async def test_a_key_is_rotated_with_overlap_and_the_old_one_is_needed_no_more_after_a_reseal(rig: Rig) -> None:
    await rig.use(OLD, suspended=True)
    await rig.post(1, 2, 3)
    await rig.use(NEW, OLD, suspended=True)
    await rig.post(4, 5)
    assert (await rig.reseal())["resealed"] == 3
    assert files_with(rig.data, key_id(OLD)) == []
    await rig.use(NEW)
    await rig.arrived(1, 2, 3, 4, 5)
    await rig.post(6)
    await rig.arrived(1, 2, 3, 4, 5, 6)


async def test_a_push_whose_key_is_gone_waits_and_says_so_while_other_shipments_continue(rig: Rig) -> None:
    await rig.use(NEW, suspended=True)
    await rig.post(1, shipment=11)
    await rig.use(OLD, suspended=True)
    await rig.post(2, shipment=7)
    await rig.post(3, shipment=8)
    await rig.post(4, shipment=11)
    await rig.use(NEW, suspended=True)
    await rig.post(5, shipment=7)
    await rig.post(6, shipment=9)
    await rig.use(NEW)
    await rig.arrived(1, 6)
    await rig.post(7, shipment=7)
    await rig.post(8, shipment=10)
    await rig.arrived(1, 6, 8)
    done = await rig.reseal()
    assert done["unreadable"] == 3
    (reason,) = done["reasons"]
    assert f"sealed with key {key_id(OLD).hex()}" in reason
    await eventually(lambda: told(rig.data, reason, 3))
    await rig.use(NEW, OLD)
    await rig.arrived(1, 2, 3, 4, 5, 6, 7, 8)
    of_seven = [arrival.mark for arrival in rig.sink.arrivals if arrival.mark in {2, 5, 7}]
    assert of_seven == [2, 5, 7], "in order, though the first one had to wait"


async def told(data: Path, reason: str, count: int) -> bool:
    """Whether so many pending pushes say this."""

    def look() -> int:
        with JournalReader(data) as reader:
            rows = reader.list_pushes(PushQuery(state=PushState.PENDING)).rows
        return sum(row.error == reason for row in rows)

    return await asyncio.to_thread(look) == count


async def test_encryption_is_left_in_clear_steps(rig: Rig) -> None:
    await rig.use(OLD, suspended=True)
    await rig.post(1, 2)
    await rig.use(OLD, decrypt_only=True, suspended=True)
    await rig.post(3)
    assert (await rig.reseal())["resealed"] == 2
    await rig.use()
    await rig.arrived(1, 2, 3)
    assert all(PLACE in arrival.body for arrival in rig.sink.arrivals)
