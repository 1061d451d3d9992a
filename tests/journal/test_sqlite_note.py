"""A log that is missing or was cut at the start is noticed; what is in order is not reported."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from journal.stores import sqlite_store, update
from support.deadline import until
from support.journal_file import back_up, journal_file
from support.rows import every_row
from trackpush_server.journal.model import RetentionCutoffs
from trackpush_server.journal.sqlite.note import LogFound, Note, NoteFile, what_is_missing

FILE = "journal.db"
VICTIM = Path(__file__).with_name("victim.py")
SALT, OTHER = (7, 12345), (8, 54321)


@every_row(
    ("note", "found", "says"),
    [
        (None, LogFound(0, 0, None), None),
        (Note(last_id=9, frames=20, salt=SALT), LogFound(9, 20, SALT), None),
        (Note(last_id=9, frames=20, salt=SALT), LogFound(12, 25, SALT), None),
        (
            Note(last_id=9, frames=20, salt=SALT),
            LogFound(4, 10, SALT),
            "frames were written, 10 are left; updates 5 to",
        ),
        (Note(last_id=9, frames=20, salt=SALT), LogFound(9, 19, SALT), "results of pushes may be"),
        (Note(last_id=9, frames=20, salt=SALT), LogFound(10, 3, OTHER), None),
        (Note(last_id=9, frames=20, salt=SALT), LogFound(4, 3, OTHER), "its log is another one: updates 5 to 9"),
        (Note(last_id=9, frames=20, salt=SALT), LogFound(9, 0, None), None),
        (Note(last_id=9, frames=20, salt=SALT), LogFound(4, 0, None), "its log is missing: updates 5 to 9"),
        (Note(last_id=9), LogFound(9, 0, None), None),
        (Note(last_id=9), LogFound(12, 5, SALT), None),
        (Note(last_id=9), LogFound(0, 0, None), "the file is an older one: updates 1 to 9"),
    ],
)
def test_what_is_missing_follows_from_the_note(note: Note | None, found: LogFound, says: str | None) -> None:
    missing = what_is_missing(note, found)
    assert (missing is None) == (says is None)
    assert (says or "") in (missing or "")


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"last_id":"x"}', b"\xff" * 256])
def test_a_note_that_cannot_be_read_says_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "note").write_bytes(content)
    assert NoteFile(tmp_path / "note").read() is None


def test_a_shorter_note_leaves_nothing_of_a_longer_one(tmp_path: Path) -> None:
    file = NoteFile(tmp_path / "note")
    file.write(Note(last_id=10**15, frames=10**9, salt=(2**32 - 1, 2**32 - 1)))
    file.write(Note(last_id=1))
    file.close()
    assert NoteFile(tmp_path / "note").read() == Note(last_id=1)


@pytest.fixture
async def _killed(processes: None, tmp_path: Path) -> None:  # noqa: ARG001  marks the tests
    """A journal whose server was killed after it had stored more than a hundred updates, all of them in the log."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(VICTIM), str(tmp_path), "0", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    for _ in range(100):
        await asyncio.wait_for(process.stdout.readline(), 20)
    noted = NoteFile(tmp_path / "journal.note")
    await until(lambda: (note := noted.read()) is not None and note.last_id > 100, seconds=10, what="the note")
    os.kill(process.pid, signal.SIGKILL)
    await process.stdout.read()
    await process.wait()


async def _missing(folder: Path) -> str | None:
    async with sqlite_store(folder).open() as opened:
        assert opened.journal.unavailable is None
        await opened.put(update())
        return opened.journal.stats.missing


@pytest.mark.usefixtures("_killed")
async def test_after_a_kill_nothing_is_reported(tmp_path: Path) -> None:
    assert await _missing(tmp_path) is None
    assert await _missing(tmp_path) is None


@pytest.mark.usefixtures("_killed")
async def test_a_log_that_was_removed_after_a_kill_is_reported_once_with_the_updates_that_are_gone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / f"{FILE}-wal").unlink()
    missing = await _missing(tmp_path)
    assert "its log is missing: updates 1 to " in str(missing)
    assert "were answered with 200 and are gone" in str(missing)
    assert "journal_log_incomplete" in capsys.readouterr().out + caplog.text
    assert await _missing(tmp_path) is None, "it was reported; a later start begins with what is there"


@pytest.mark.parametrize("part", [2, 10])
@pytest.mark.usefixtures("_killed")
async def test_a_log_that_was_cut_after_a_kill_is_reported(tmp_path: Path, part: int) -> None:
    log = tmp_path / f"{FILE}-wal"
    os.truncate(log, log.stat().st_size // part)
    assert "its log was cut or overwritten" in str(await _missing(tmp_path))


@pytest.mark.usefixtures("_killed")
async def test_a_log_that_was_overwritten_in_the_middle_is_reported(tmp_path: Path) -> None:
    log = tmp_path / f"{FILE}-wal"
    with log.open("r+b") as file:
        file.seek(log.stat().st_size // 2)
        file.write(b"\xa5" * 4096)
    assert "its log was cut or overwritten" in str(await _missing(tmp_path))


@pytest.mark.usefixtures("_killed")
async def test_a_program_that_moves_the_log_into_the_file_between_two_starts_is_not_a_loss(tmp_path: Path) -> None:
    with journal_file(tmp_path / FILE) as connection:
        connection.execute("SELECT count(*) FROM updates").fetchone()
    assert not (tmp_path / f"{FILE}-wal").exists(), "the last to close moves the log into the file"
    assert await _missing(tmp_path) is None


async def test_an_older_file_in_place_of_the_journal_is_reported(tmp_path: Path) -> None:
    async with sqlite_store(tmp_path).open() as opened:
        await opened.put(update())
        await asyncio.to_thread(back_up, tmp_path / FILE, tmp_path / "backup")
        await opened.put(update(), update())
    (tmp_path / "backup").replace(tmp_path / FILE)
    assert "the file is an older one: updates 2 to 3" in str(await _missing(tmp_path))


async def test_updates_that_the_retention_deleted_are_not_missed(tmp_path: Path) -> None:
    async with sqlite_store(tmp_path).open() as opened:
        await opened.put(*(update(to=()) for _ in range(5)))
        trimmed = await opened.journal.retention.trim(
            RetentionCutoffs(delivered_since=1 << 60, dead_since=1 << 60), after=0, limit=100
        )
        assert trimmed.updates == 5
    assert await _missing(tmp_path) is None
