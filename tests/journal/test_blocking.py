"""SQLite waits for the disk: the tests notice each query that runs on an event loop."""

import asyncio
from pathlib import Path

import pytest
from blockbuster import BlockingError

from trackpush_server.journal.sqlite import erasure
from trackpush_server.journal.sqlite.connection import open_writer


async def test_a_query_on_the_event_loop_fails_the_test(tmp_path: Path) -> None:
    connection = await asyncio.to_thread(open_writer, tmp_path / "journal.db", create=True)
    with pytest.raises(BlockingError, match=r"SqliteConnection\.execute"):
        erasure.records(connection, 1)
    await asyncio.to_thread(connection.close)
