"""A start that fails partway leaves nothing behind: no task, no socket, no open file, no thread of the journal."""

import asyncio
import os
import threading
from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import Any

import pytest

from support.deadline import until
from support.serving import HeldSource, serving, table
from trackpush_api.routing import Postgres, Sqlite, Storage
from trackpush_server.options import ServeOptions
from trackpush_server.server import Server

STEPS = (
    "_store.check",
    "_watcher.load",
    "_admin.open",
    "_admin.check",
    "_journal.start",
    "_operations.retainer.start",
    "_telemetry.sampler.start",
    "_receiving.start",
    "_watcher.start",
    "_dispatcher.start",
    "_ownership.start",
    "_admin.start",
    "_receiving.open",
)


class BrokenPartError(Exception):
    """The part that the test breaks."""


def break_part(server: Server, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have this step fail after it has done its work, when it leaves the most behind."""
    *path, name = step.split(".")
    part = reduce(getattr, path, server)
    whole = getattr(part, name)

    async def fails(*given: Any) -> None:
        await whole(*given)
        raise BrokenPartError(step)

    def fails_at_once(*given: Any) -> None:
        whole(*given)
        raise BrokenPartError(step)

    monkeypatch.setattr(part, name, fails if asyncio.iscoroutinefunction(whole) else fails_at_once)


def descriptors() -> set[str]:
    """What this process has open: each file, and each socket by its number."""
    links = set()
    for number in os.listdir("/proc/self/fd"):  # noqa: PTH208  names are enough
        try:
            links.add(os.readlink(f"/proc/self/fd/{number}"))  # noqa: PTH115  same
        except FileNotFoundError:
            continue  # the listing's own
    return {link for link in links if not link.startswith("/proc/")}


def journal_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("trackpush-journal")]


async def check_that_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, storage: Storage, *, receivers: int
) -> None:
    """Start a server whose step fails; then a whole one at the same place."""
    address = ("127.0.0.1", 0)
    options = ServeOptions(
        folder=tmp_path, listen=address, admin_listen=address, data=tmp_path / "data", receivers=receivers
    )
    given = table(storage=storage)
    server = Server(options, source=HeldSource(given), storage=storage)
    break_part(server, step, monkeypatch)
    await asyncio.to_thread(lambda: None)  # the loop's own thread pool is there before
    tasks, opened = asyncio.all_tasks(), descriptors()

    with pytest.raises(BrokenPartError):
        await server.start()

    assert asyncio.all_tasks() == tasks
    # Transports close their sockets in one of the loop's next turns.
    await until(lambda: descriptors() <= opened, seconds=30.0, what=lambda: f"{descriptors() - opened} are closed")
    # An executor that was shut down ends its threads by itself.
    await until(lambda: not journal_threads(), seconds=30.0, what=lambda: f"{journal_threads()} end")
    async with serving(tmp_path, given) as again:
        assert again.health().journal_alive


@pytest.mark.parametrize("receivers", [0, 1])
@pytest.mark.parametrize("step", STEPS)
async def test_a_start_that_fails_at_any_part_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, receivers: int
) -> None:
    await check_that_nothing_is_left(tmp_path, monkeypatch, step, Sqlite(), receivers=receivers)


@pytest.mark.parametrize("step", STEPS)
async def test_a_start_on_postgresql_that_fails_at_any_part_leaves_nothing_behind_and_no_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, journal_dsn: str, journal_sql: Callable[[str], str]
) -> None:
    sessions = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
    )

    await check_that_nothing_is_left(tmp_path, monkeypatch, step, Postgres(dsn=journal_dsn), receivers=0)

    # The server process of a closed session ends a moment later.
    await until(lambda: journal_sql(sessions) == "0", seconds=30.0, what="no session of the server is left")


async def test_a_retry_of_a_binding_ends_with_the_server(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        server._tables._refresh_later()
        timer = server._tables._timer
        assert timer is not None

    assert timer.cancelled()
