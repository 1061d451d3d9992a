"""The reader of the journal's file: with the server up or down, on odd disks, and what it says of no journal."""

from pathlib import Path

import pytest

from faults.disk import small_disk
from journal.stores import sqlite_store, update
from trackpush_server.journal.model import JournalUnavailableError
from trackpush_server.journal.search import PushQuery, PushRow
from trackpush_server.journal.sqlite.connection import SqliteError
from trackpush_server.journal.sqlite.file_reader import JournalReader


def _list(path: Path) -> tuple[PushRow, ...]:
    with JournalReader(path) as reader:
        return reader.list_pushes(PushQuery()).rows


async def test_the_reader_works_after_the_server_ended_and_cannot_write(tmp_path: Path) -> None:
    async with sqlite_store(tmp_path).open() as opened:
        await opened.put(update())
    with JournalReader(tmp_path / "journal.db") as reader:
        assert len(reader.list_pushes(PushQuery()).rows) == 1
        with pytest.raises(SqliteError, match="readonly"):
            reader._connection.execute("DELETE FROM pushes")


@pytest.mark.usefixtures("root")
async def test_the_reader_works_on_a_read_only_file_system(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", size="8m") as disk:
        async with sqlite_store(disk.path / "data #1?").open() as opened:
            await opened.put(update())
        disk.read_only(on=True)
        assert len(_list(disk.path / "data #1?")) == 1


def test_a_folder_without_a_journal_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(JournalUnavailableError, match="give the folder that `serve --data` was given"):
        JournalReader(tmp_path)


def test_a_file_that_is_not_a_journal_is_reported(tmp_path: Path) -> None:
    (tmp_path / "journal.db").write_bytes(b"\xa5" * 8192)
    with pytest.raises(JournalUnavailableError, match="damaged"):
        _list(tmp_path)
