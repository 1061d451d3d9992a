"""A standby: it answers as the server does, reports itself on the admin port, and never opens the journal."""

import contextlib
import errno
import os
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from support.bodies import body
from support.serving import HeldSource, serving, table
from trackpush_runtime.errors import CannotStartError
from trackpush_server.options import ServeOptions
from trackpush_server.standby import Standby

KEY = {"webhook-key": "right-key-of-clickpost"}


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
        yield session


@contextlib.asynccontextmanager
async def standing_by(folder: Path) -> AsyncIterator[Standby]:
    options = ServeOptions(
        folder=folder, listen=("127.0.0.1", 0), admin_listen=("127.0.0.1", 0), data=folder / "data", standby=True
    )
    standby = Standby(options, source=HeldSource(table()))
    await standby.start()
    try:
        yield standby
    finally:
        await standby.stop()


def url(where: Standby) -> str:
    return f"http://{where.address}/rms/in/api/clickpost/notify"


def clickpost(mark: int) -> bytes:
    return body("clickpost", mark=mark, shipment=1, second=mark)


async def test_a_standby_answers_as_the_server_does(tmp_path: Path, client: aiohttp.ClientSession) -> None:
    (tmp_path / "data").mkdir()
    requests = [
        (clickpost(1), KEY),
        (clickpost(1), {}),
        (clickpost(1), {"webhook-key": "wrong"}),
        (b"{", KEY),
        (b"{}", KEY),
        (b"", KEY),
        (b'{"hello": "unrecognised"}', KEY),
        (b"[" + clickpost(2) + b" " * 900_000 + b"]", KEY),
    ]
    async with standing_by(tmp_path) as standby, serving(tmp_path) as server:
        for content, headers in requests:
            found = []
            for address in (server.address, standby.address):
                at = f"http://{address}/rms/in/api/clickpost/notify"
                async with client.post(at, data=content, headers=headers) as answer:
                    found.append((answer.status, await answer.text()))
            assert found[0] == found[1], content[:80]


async def test_what_a_standby_took_is_pushed_by_the_server_that_starts_later(
    tmp_path: Path, client: aiohttp.ClientSession
) -> None:
    (tmp_path / "data").mkdir()
    async with standing_by(tmp_path) as standby:
        async with client.post(url(standby), data=clickpost(1), headers=KEY) as answer:
            assert (answer.status, await answer.json()) == (200, {"accepted": 1, "duplicates": 0})
        assert os.listdir(tmp_path / "data") == ["spool"]  # noqa: PTH208
    async with serving(tmp_path) as server:
        (count,) = await server._journal.backlog.pending_counts()
        assert (count.push_config, count.count) == ("acme/push", 1)


async def test_the_admin_port_shows_health_configuration_and_metrics_and_no_journal(
    tmp_path: Path, client: aiohttp.ClientSession
) -> None:
    (tmp_path / "data").mkdir()
    async with standing_by(tmp_path) as standby:
        async with client.post(url(standby), data=clickpost(1), headers=KEY):
            pass
        found = {}
        for path in ("/livez", "/readyz", "/config", "/undelivered", "/metrics", "/api/v1/shipments/1", "/console/"):
            async with client.get(f"http://{standby.admin_address}{path}") as answer:
                found[path] = answer.status, await answer.text()
        assert {path: status for path, (status, _) in found.items()} == {
            "/livez": 200,
            "/readyz": 200,
            "/config": 200,
            "/undelivered": 200,
            "/metrics": 200,
            "/api/v1/shipments/1": 404,
            "/console/": 404,
        }
        assert '"server":"trackpush/main"' in found["/config"][1]
        assert 'trackpush_ingest_requests_total{aggregator="clickpost",code="200"} 1.0' in found["/metrics"][1]


async def test_a_full_disk_gives_503_and_an_unready_standby_until_there_is_room(
    tmp_path: Path, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()

    def fails(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    async def status(path: str) -> int:
        async with client.get(f"http://{standby.admin_address}{path}") as answer:
            return answer.status

    async with standing_by(tmp_path) as standby:
        with monkeypatch.context() as patched:
            patched.setattr(os, "fdatasync", fails)
            async with client.post(url(standby), data=clickpost(1), headers=KEY) as answer:
                assert answer.status == 503
                assert "Nothing can be stored now" in await answer.text()
            assert [await status("/readyz"), await status("/livez")] == [503, 200]
        assert await status("/readyz") == 200
        async with client.post(url(standby), data=clickpost(1), headers=KEY) as answer:
            assert answer.status == 200


async def test_a_standby_stays_unready_while_a_few_bytes_fit_on_the_disk_and_no_line_does(
    tmp_path: Path, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    write = os.write

    def fits(descriptor: int, data: bytes) -> int:
        if len(data) > 16:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data)

    async def ready() -> int:
        async with client.get(f"http://{standby.admin_address}/readyz") as answer:
            return answer.status

    async with standing_by(tmp_path) as standby:
        with monkeypatch.context() as patched:
            patched.setattr(os, "write", fits)
            async with client.post(url(standby), data=clickpost(1), headers=KEY) as answer:
                assert answer.status == 503
            assert [await ready(), await ready()] == [503, 503]
        assert await ready() == 200
    assert (tmp_path / "data/spool/arrivals").stat().st_size == 0


async def test_a_folder_that_is_missing_is_refused_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(CannotStartError, match=rf"--data {tmp_path}/data: No such file or directory"):
        async with standing_by(tmp_path):
            pass
