"""Start refuses before it changes anything; the end answers what is under way."""

import asyncio
import socket
from pathlib import Path

import aiohttp
import pytest

from support.bodies import body
from support.serving import HeldSource, serving, table
from trackpush_runtime.errors import CannotStartError
from trackpush_server.config.source import Loaded
from trackpush_server.options import ServeOptions
from trackpush_server.server import Server

KEY = {"x-api-key": "right-key-of-clickpost"}
ONE = body("clickpost", mark=1, shipment=1, second=1)


def options(folder: Path, port: int = 0, admin_port: int = 0) -> ServeOptions:
    return ServeOptions(
        folder=folder, listen=("127.0.0.1", port), admin_listen=("127.0.0.1", admin_port), data=folder / "data"
    )


async def test_a_source_with_problems_refuses_to_start_with_all_of_them_and_makes_no_journal(tmp_path: Path) -> None:
    source = HeldSource(table())
    source.loaded = Loaded(table=None, problems=("a.yaml:1: one", "b.yaml:2: two"))

    with pytest.raises(CannotStartError, match=r"one\nb\.yaml:2: two"):
        await Server(options(tmp_path), source=source).start()

    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("which", ["public", "admin"])
async def test_an_address_in_use_refuses_to_start_and_is_named(tmp_path: Path, which: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        given = options(tmp_path, port=port) if which == "public" else options(tmp_path, admin_port=port)
        with pytest.raises(CannotStartError, match=f"127.0.0.1:{port}"):
            await Server(given, source=HeldSource(table())).start()

    assert not (tmp_path / "data").exists()


async def test_a_request_under_way_at_the_end_is_answered_after_its_commit(
    tmp_path: Path, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()
    async with serving(tmp_path) as server:
        append = server._journal.updates.append

        async def late(updates: object) -> int:
            asked.set()
            await go_on.wait()
            return await append(updates)  # type: ignore[arg-type]

        monkeypatch.setattr(server._journal.updates, "append", late)
        url = f"http://{server.address}/rms/in/api/clickpost/notify"
        posting = asyncio.create_task(client.post(url, data=ONE, headers=KEY))
        await asked.wait()
        stopping = asyncio.create_task(server.stop())
        await asyncio.sleep(0)
        async with client.get(f"http://{server.admin_address}/readyz") as ready:
            assert ready.status == 503
        go_on.set()
        answer = await posting
        assert (answer.status, answer.headers["Connection"]) == (200, "close")
        assert await answer.json() == {"accepted": 1, "duplicates": 0}
        await stopping
    async with serving(tmp_path) as server:
        url = f"http://{server.address}/rms/in/api/clickpost/notify"
        async with client.post(url, data=ONE, headers=KEY) as answer:
            assert await answer.json() == {"accepted": 0, "duplicates": 1}
