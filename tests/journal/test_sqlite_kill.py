"""SQLite: a process killed at any moment has kept everything that it acknowledged, and no half of a request."""

import asyncio
import random
import sys
from pathlib import Path

import pytest

from journal.stores import OMS, page_of, sqlite_store
from support.journal_file import journal_file

KILLS = 5
VICTIM = Path(__file__).with_name("victim.py")
STEP = 1_000_000


@pytest.mark.usefixtures("processes")
async def test_everything_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    acknowledged: set[int] = set()
    for kill in range(KILLS):
        acknowledged |= await _run_and_kill(tmp_path, first=kill * STEP)
    assert len(acknowledged) > KILLS * 5, "hardly anything was stored: the test proves nothing"
    async with sqlite_store(tmp_path).open() as opened:
        assert opened.journal.unavailable is None
        page = await page_of(opened.journal, OMS, after=0, limit=1_000_000)
    with journal_file(tmp_path / "journal.db") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        stored = [int.from_bytes(key[:8], "big") for (key,) in connection.execute("SELECT key FROM updates")]
        pushes = connection.execute("SELECT state, count(*) FROM pushes GROUP BY state").fetchall()
    assert acknowledged <= set(stored), f"lost: {sorted(acknowledged - set(stored))[:10]}"
    assert all(stored.count(number) == 2 for number in random.sample(sorted(set(stored)), 50)), "half a request"
    assert len(stored) == 2 * len(set(stored))
    assert sum(count for _, count in pushes) == len(stored)
    assert len(page.pushes) == dict(pushes)[0]


async def _run_and_kill(folder: Path, first: int) -> set[int]:
    """Numbers that were acknowledged before the kill."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(VICTIM), str(folder), str(first), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    lines = [await asyncio.wait_for(process.stdout.readline(), 20)]
    reading = asyncio.create_task(process.stdout.read())
    await asyncio.sleep(random.uniform(0.02, 0.25))  # noqa: S311  any moment will do
    process.kill()
    rest = await reading
    await process.wait()
    whole = rest[: rest.rfind(b"\n") + 1].splitlines()
    return {int(line) for line in (*lines, *whole)}
