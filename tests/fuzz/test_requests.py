"""Whatever a sender writes to the socket, the server's answer does not blame the server: no 5xx, and it stays alive.

`make long` sends a hundred thousand of each; requests that failed once are in `corpus/requests` and are always sent.
"""

import hashlib
import os
import random
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from fuzz.campaign import CORPUS
from fuzz.wire import KEY, Report, send_bodies, send_heads, send_kept
from support.bodies import body
from support.server import ServerProcess, running

RESOURCES = Path(__file__).parent / "resources"
REQUESTS = CORPUS / "requests"
MANY = int(os.environ.get("TRACKPUSH_FUZZ_REQUESTS") or 100_000)
FEW = 1000
MOST_LINES_AT_ONCE = 100
MOST_LINES_A_SECOND = 5
"""Ten kinds of lines, each written 5 times in 10 s at most."""
Send = Callable[[int, int, int], Awaitable[Report]]


@pytest.fixture
def seed() -> int:
    chosen = int(os.environ.get("TRACKPUSH_SEED") or random.SystemRandom().randrange(10**6))
    print(f"TRACKPUSH_SEED={chosen}")  # noqa: T201  shown when it fails, to run it again
    return chosen


async def test_requests_that_failed_once_cause_no_5xx(tmp_path: Path) -> None:
    kept = [path.read_bytes() for path in sorted(REQUESTS.glob("*"))]
    async with running(RESOURCES, tmp_path / "data") as server:
        report = await send_kept(server.port, kept)
        await _unharmed(server, seconds=0)
    assert not report.failures, report.failures


@pytest.mark.parametrize("send", [send_bodies, send_heads])
async def test_a_thousand_fuzzed_requests_cause_no_5xx(tmp_path: Path, send: Send, seed: int) -> None:
    async with running(RESOURCES, tmp_path / "data") as server:
        begun = time.monotonic()
        report = await send(server.port, seed, FEW)
        _check(report)
        await _unharmed(server, time.monotonic() - begun)


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("send", [send_bodies, send_heads])
async def test_very_many_fuzzed_requests_cause_no_5xx(
    tmp_path: Path, send: Send, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    async with running(RESOURCES, tmp_path / "data") as server:
        begun = time.monotonic()
        report = await send(server.port, seed, MANY)
        _check(report)
        await _unharmed(server, time.monotonic() - begun)
        lines = len(server.log)
    with capsys.disabled():
        statuses = ", ".join(f"{number:,} x {status}" for status, number in sorted(report.statuses.items()))
        print(  # noqa: T201  the figures are for people
            f"\n{send.__name__}: TRACKPUSH_SEED={seed}, {MANY:,} requests: {statuses}; {lines} lines logged"
        )


def _check(report: Report) -> None:
    assert not report.failures, "\n".join(f"kept as {_keep(request)}, commit it" for request in report.failures[:20])
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


def _keep(request: bytes) -> Path:
    REQUESTS.mkdir(parents=True, exist_ok=True)
    path = REQUESTS / hashlib.sha256(request).hexdigest()[:16]
    path.write_bytes(request)
    return path
