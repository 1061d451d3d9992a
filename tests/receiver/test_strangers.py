"""Without a known key the server does little work; with one, a large batch leaves turns to others."""

import gzip
from io import StringIO
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from support.bodies import body
from support.deadline import until
from support.rows import every_row
from support.serving import account, serving, table
from support.sink import open_sink
from trackpush_aggregators import STEP, decode, parse_in_steps
from trackpush_api.routing import Destination, Filter, Limits
from trackpush_api.vocabulary import Aggregator
from trackpush_server.admin.api.shapes import _decoded
from trackpush_server.receiver import identification, intake
from trackpush_server.server import Server

KEY = {"x-api-key": "right-key-of-clickpost"}
SMALL_BOMB = gzip.compress(b"[" + b",".join([b'{"awb":1}'] * 104_800) + b"]", 9)
"""2 kB that become 1 MiB and more than a hundred thousand updates."""


def url(server: Server, segment: str = "clickpost") -> str:
    return f"http://{server.address}/rms/in/api/{segment}/notify"


def batch(count: int, first: int = 0) -> bytes:
    return b"[" + b",".join(body("clickpost", mark=n, shipment=n, second=1) for n in range(first, first + count)) + b"]"


@pytest.mark.parametrize("segment", ["clickpost", "st", "shipway"])
async def test_a_large_body_without_a_key_is_refused_without_decoding_it(
    tmp_path: Path, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch, segment: str
) -> None:
    def fail(*_: Any) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(identification, "decode", fail)
    headers = {"Content-Encoding": "gzip", "x-api-key": "wrong"}
    async with serving(tmp_path) as server:
        async with client.post(url(server, segment), data=SMALL_BOMB, headers=headers) as answer:
            assert answer.status == 401
        async with client.post(url(server, segment), data=b" " * 70_000, headers={"x-api-key": "wrong"}) as answer:
            assert answer.status == 401


@pytest.mark.parametrize(
    "content", [b"[" + b",".join([b'{"x":1}'] * 101) + b"]", b'{"status_feed":[%s{}]}' % (b"{}," * 200)]
)
async def test_many_objects_without_a_key_are_no_probe(
    tmp_path: Path, client: aiohttp.ClientSession, content: bytes
) -> None:
    async with serving(tmp_path) as server, client.post(url(server, "shipway"), data=content) as answer:
        assert answer.status == 401


async def test_without_a_key_parsing_ends_at_the_first_update(
    tmp_path: Path, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trackpush_aggregators import BUILT_IN, Reader  # noqa: PLC0415
    from trackpush_aggregators.clickpost import parser as clickpost  # noqa: PLC0415

    read: list[bytes] = []

    def spied(item: dict[str, Any], raw: bytes, latest: int) -> Any:
        read.append(raw)
        return clickpost.updates(item, raw, latest)

    monkeypatch.setitem(BUILT_IN, "Clickpost", Reader(name="Clickpost", updates=spied))
    async with serving(tmp_path) as server, client.post(url(server), data=batch(50)) as answer:
        assert answer.status == 401
    assert len(read) == 1


async def test_the_key_in_a_large_shipway_body_is_found(tmp_path: Path, client: aiohttp.ClientSession) -> None:
    items = [{"awbno": f"70{number}", "current_status": "DEL", "remark": "x" * 300} for number in range(300)]
    content = msgspec.json.encode({"status_feed": items, "hash": "right-key-of-shipway"})
    assert len(content) > 64 * 1024
    async with serving(tmp_path) as server:
        async with client.post(url(server, "shipway"), data=content) as answer:
            assert (answer.status, (await answer.json())["accepted"]) == (200, len(items))
        wrong = content.replace(b"right-key", b"wrong-key")
        async with client.post(url(server, "shipway"), data=wrong) as answer:
            assert answer.status == 401


async def test_a_body_that_holds_its_key_is_unpacked_and_decoded_once(
    tmp_path: Path, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def spy(name: str) -> None:
        real = getattr(identification, name)

        def spied(*arguments: Any) -> Any:
            calls.append(name)
            return real(*arguments)

        monkeypatch.setattr(identification, name, spied)

    for name in ("decode", "unpacked", "unpacked_within"):
        spy(name)
    content = body("shipway", mark=1, shipment=1, second=1).replace(b"{", b'{"hash": "right-key-of-shipway", ', 1)
    packed = gzip.compress(content)
    headers = {"Content-Encoding": "gzip"}
    async with (
        serving(tmp_path) as server,
        client.post(url(server, "shipway"), data=packed, headers=headers) as answer,
    ):
        assert await answer.json() == {"accepted": 1, "duplicates": 0}
    assert sorted(calls) == ["decode", "unpacked_within"]


async def test_a_body_with_more_updates_than_the_limit_is_413_and_stores_nothing(
    tmp_path: Path, client: aiohttp.ClientSession
) -> None:
    async with serving(tmp_path, table(limits=Limits(max_updates_per_body=20))) as server:
        async with client.post(url(server), data=batch(21), headers=KEY) as answer:
            assert (answer.status, (await answer.json())["error"]) == (413, "too_many_updates")
        async with client.post(url(server), data=batch(20), headers=KEY) as answer:
            assert await answer.json() == {"accepted": 20, "duplicates": 0}


async def test_a_large_batch_is_made_in_turns_with_other_requests(
    tmp_path: Path, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    content, sizes, made = batch(STEP * 3 + 1), [], intake.intake

    def spied(account: Any, selection: Any, updates: Any, *rest: Any, **more: Any) -> Any:
        sizes.append(len(updates))
        return made(account, selection, updates, *rest, **more)

    monkeypatch.setattr(intake, "intake", spied)
    async with serving(tmp_path) as server, client.post(url(server), data=content, headers=KEY) as answer:
        assert (await answer.json())["accepted"] == STEP * 3 + 1
    assert sizes == [STEP, STEP, STEP, 1]
    steps = parse_in_steps(Aggregator.CLICKPOST, decode(content), content, key="k", received_at=1_790_000_000_000)
    assert sum(1 for _ in steps) == 3


NUMBERS = [b"1e400", b"-1e400", b"1e-400", b"9" * 400, b"9" * 5000, b"-" + b"9" * 400, b"9" * 300, b"1e308"]
DEEP = [b"[" * levels + b"]" * levels for levels in (10, 62)]


@pytest.mark.parametrize("value", [*NUMBERS, *DEEP], ids=[*map(str, range(len(NUMBERS))), "10", "62"])
async def test_no_value_in_a_body_is_refused_since_an_expression_reads_it(
    tmp_path: Path, client: aiohttp.ClientSession, value: bytes
) -> None:
    one = body("clickpost", mark=1, shipment=1, second=1)
    content = one.rstrip(b"} \n") + b',"odd":' + value + b"}"
    content = content if _decodes(content) else one[:-1] + b',"odd":' + value + b"}"
    async with open_sink() as sink:
        reads_raw = Destination(name="acme/push", url=sink.url, filter=Filter(expression="!has(raw.never)"))
        given = table(account(Aggregator.CLICKPOST, "k"), destinations=[reads_raw])
        async with serving(tmp_path, given) as server:
            async with client.post(url(server), data=content, headers={"x-api-key": "k"}) as answer:
                assert await answer.json() == {"accepted": 1, "duplicates": 0}
            await until(lambda: len(sink.arrivals) == 1, seconds=10, what="the push")
            (push,) = sink.arrivals
            async with client.get(f"http://{server.admin_address}/api/v1/pushes/{push.webhook_id}") as answer:
                assert answer.status == 200
            async with client.get(f"http://{server.admin_address}/console/pushes/{push.webhook_id}") as answer:
                assert answer.status == 200


def _decodes(content: bytes) -> bool:
    try:
        decode(content)
    except ValueError:
        return False
    return True


@every_row("key", [KEY, {}])
@every_row("levels", [65, 500, 973, 3000])
@every_row("segment", ["clickpost", "shipway"])
async def test_a_body_that_is_nested_too_deeply_is_400(  # noqa: PLR0917  three are parameters of the test
    log: StringIO, server: Server, client: aiohttp.ClientSession, key: dict[str, str], levels: int, segment: str
) -> None:
    for content in (b"[" * levels + b"]" * levels, b'{"status_feed":' * levels + b"1" + b"}" * levels):
        async with client.post(url(server, segment), data=content, headers=key) as answer:
            assert (answer.status, (await answer.json())["error"]) == (400, "malformed_body")
    assert "request_failed" not in log.getvalue()


@pytest.mark.parametrize("stored", [b'{"w":1e400}', b"[" * 900 + b"]" * 900, b"{", b"\xff", b'{"a":"\\ud800"}'])
def test_what_an_older_version_stored_is_shown_as_text_where_it_cannot_be_read(stored: bytes) -> None:
    assert _decoded(stored) == stored.decode("utf-8", "replace")
