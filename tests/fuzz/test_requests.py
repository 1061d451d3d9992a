"""Whatever a sender writes to a port, the server answers, its answer does not blame the server (no 5xx), and it lives.

`make long` sends a hundred thousand of each; requests that failed once are in `corpus/requests` and `corpus/admin` and
are always sent.
"""

import hashlib
import os
import random
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from fuzz.campaign import CORPUS
from fuzz.wire import KEY, Report, send_admin_heads, send_bodies, send_heads, send_kept
from support.bodies import body
from support.server import ServerProcess, running

RESOURCES = Path(__file__).parent / "resources"
REQUESTS, ADMIN = CORPUS / "requests", CORPUS / "admin"
MANY = int(os.environ.get("TRACKPUSH_FUZZ_REQUESTS") or 100_000)
FEW = 1000
MOST_LINES_AT_ONCE = 100
MOST_LINES_A_SECOND = 5
"""Ten kinds of lines, each written 5 times in 10 s at most."""
Send = Callable[[int, int, int], Awaitable[Report]]
SENDS = [send_bodies, send_heads, send_admin_heads]


@pytest.fixture
def seed() -> int:
    chosen = int(os.environ.get("TRACKPUSH_SEED") or random.SystemRandom().randrange(10**6))
    print(f"TRACKPUSH_SEED={chosen}")  # noqa: T201  shown when it fails, to run it again
    return chosen


async def test_requests_that_failed_once_are_answered_without_5xx(tmp_path: Path) -> None:
    async with running(RESOURCES, tmp_path / "data") as server:
        for port, folder in ((server.port, REQUESTS), (server.admin_port, ADMIN)):
            report = await send_kept(port, [path.read_bytes() for path in sorted(folder.glob("*"))])
            assert not report.failures, report.failures
        await _unharmed(server, seconds=0)


@pytest.mark.parametrize("send", SENDS)
async def test_a_thousand_fuzzed_requests_are_answered_without_5xx(tmp_path: Path, send: Send, seed: int) -> None:
    async with running(RESOURCES, tmp_path / "data") as server:
        begun = time.monotonic()
        report = await send(_port(server, send), seed, FEW)
        _check(report, send)
        await _unharmed(server, time.monotonic() - begun)


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("send", SENDS)
async def test_very_many_fuzzed_requests_are_answered_without_5xx(
    tmp_path: Path, send: Send, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    async with running(RESOURCES, tmp_path / "data") as server:
        begun = time.monotonic()
        report = await send(_port(server, send), seed, MANY)
        _check(report, send)
        await _unharmed(server, time.monotonic() - begun)
        lines = len(server.log)
    with capsys.disabled():
        statuses = ", ".join(f"{number:,} x {status}" for status, number in sorted(report.statuses.items()))
        print(  # noqa: T201  the figures are for people
            f"\n{send.__name__}: TRACKPUSH_SEED={seed}, {MANY:,} requests: {statuses}; {lines} lines logged"
        )


def _port(server: ServerProcess, send: Send) -> int:
    return server.admin_port if send is send_admin_heads else server.port


def _check(report: Report, send: Send) -> None:
    folder = ADMIN if send is send_admin_heads else REQUESTS
    failures = report.failures[:20]
    assert not failures, "\n".join(f"kept as {_keep(folder, request)}, commit it" for request in failures)
    assert {200, 400} <= set(report.statuses), report.statuses


async def _unharmed(server: ServerProcess, seconds: float) -> None:
    """It is alive and ready, takes a valid body, and has logged no failure and not very much else."""
    valid = body("shiprocket", mark=2, shipment=2, second=2)
    head = f"POST /rms/in/api/st/notify HTTP/1.1\r\nHost: 127.0.0.1\r\nx-api-key: {KEY}\r\nContent-Length: {len(valid)}"
    report = await send_kept(server.port, [f"{head}\r\n\r\n".encode() + valid])
    assert report.statuses == {200: 1}
    assert (await server.probe("/readyz")).status == 200
    assert not server.exited
    assert server.logged("request_failed") is None, server.logged("request_failed")
    assert len(server.log) < MOST_LINES_AT_ONCE + MOST_LINES_A_SECOND * seconds, server.tail()


def _keep(folder: Path, request: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / hashlib.sha256(request).hexdigest()[:16]
    path.write_bytes(request)
    return path
