"""`trackpush journal backup` and `journal restore`, on folders that real servers use."""

import asyncio
import hashlib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.command import invoked
from support.journal_file import journal_file
from support.load import open_aggregator
from support.manifests import Client, write
from support.server import running
from support.sink import accept, hang, open_sink
from trackpush_server.journal.sqlite.lock import FolderLock

PROGRAM = (sys.executable, "-m", "trackpush_cli", "journal")
CHUNK = 4096


def run(*arguments: str | Path, content: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    """Run the command in a process of its own, as `kubectl exec` does."""
    command = [*PROGRAM, *map(str, arguments)]
    return subprocess.run(command, input=content, capture_output=True, check=False, timeout=120)


def ids(file: Path) -> list[int]:
    with journal_file(file) as connection:
        return [int(row[0]) for row in connection.execute("SELECT id FROM updates ORDER BY id")]


def names(place: Path, pattern: str = "*") -> list[str]:
    return sorted(file.name for file in place.glob(pattern))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A journal of twenty updates that no server uses."""
    return asyncio.run(_filled(tmp_path, 20))


async def _filled(tmp_path: Path, count: int) -> Path:
    data = tmp_path / "data"
    async with open_sink(accept) as sink:
        await _post(tmp_path, data, Client(name="acme", url=sink.url), range(count))
    return data


async def _post(tmp_path: Path, data: Path, client: Client, marks: range) -> None:
    async with (
        running(write(tmp_path / "resources", [client]), data) as server,
        open_aggregator(server.url, client) as aggregator,
    ):
        await aggregator.many(marks)


@contextmanager
def in_use(folder: Path) -> Iterator[None]:
    lock = FolderLock(folder / "journal.lock")
    lock.acquire()
    try:
        yield
    finally:
        lock.release()


async def test_a_stream_from_a_running_server_is_whole_and_leaves_nothing(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with open_sink(hang) as sink:
        client = Client(name="acme", url=sink.url)
        async with (
            running(write(tmp_path / "resources", [client]), data) as server,
            open_aggregator(server.url, client) as aggregator,
        ):
            await aggregator.many(range(50))
            before = names(data)
            load = asyncio.create_task(aggregator.many(range(50, 400)))
            done = await asyncio.to_thread(run, "backup", "--data", data, "--to", "-")
            await load
            assert names(data) == before
    assert done.returncode == 0, done.stderr
    (tmp_path / "copy").write_bytes(done.stdout)
    found = ids(tmp_path / "copy")
    assert found == list(range(1, len(found) + 1)), "one moment's state"
    assert len(found) >= 50
    assert f"{len(found)} updates, {len(done.stdout)} bytes" in done.stderr.decode()
    assert hashlib.sha256(done.stdout).hexdigest() in done.stderr.decode()


async def test_a_file_is_private_and_is_not_overwritten(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    done = await invoked("journal", "backup", "--data", str(folder), "--to", str(target))
    assert done.exit_code == 0
    assert target.stat().st_mode & 0o777 == 0o600
    again = await invoked("journal", "backup", "--data", str(folder), "--to", str(target))
    assert (again.exit_code, "exists; name a new file" in again.stderr) == (2, True)
    assert names(tmp_path, "copy*") == ["copy.db"]


async def test_where_there_is_no_file_the_command_names_pg_dump(tmp_path: Path) -> None:
    done = await invoked("journal", "backup", "--data", str(tmp_path), "--to", "-")
    assert done.exit_code == 2
    assert "pg_dump" in done.stderr


async def test_a_backup_restored_into_an_empty_folder_is_served_on(folder: Path, tmp_path: Path) -> None:
    copy = await asyncio.to_thread(run, "backup", "--data", folder, "--to", "-")
    other = tmp_path / "other"
    done = await asyncio.to_thread(run, "restore", "--data", other, "--from", "-", content=copy.stdout)
    assert done.returncode == 0, done.stderr
    assert b"restored 20 updates" in done.stdout
    assert ids(other / "journal.db") == list(range(1, 21))
    async with open_sink(accept) as sink:
        await _post(tmp_path, other, Client(name="acme", url=sink.url), range(20, 25))
    assert ids(other / "journal.db") == list(range(1, 26))


async def test_ids_do_not_go_back_over_a_restored_backup_and_two_restarts(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    assert (await invoked("journal", "backup", "--data", str(folder), "--to", str(copy))).exit_code == 0
    async with open_sink(accept) as sink:
        client = Client(name="acme", url=sink.url)
        await _post(tmp_path, folder, client, range(20, 30))
        done = await invoked("journal", "restore", "--data", str(folder), "--from", str(copy), "--replace")
        assert "ids above 30" in done.stdout
        assert ids(folder / "journal.db") == list(range(1, 21))
        await _post(tmp_path, folder, client, range(0))
        await _post(tmp_path, folder, client, range(30, 33))
    assert ids(folder / "journal.db") == [*range(1, 21), 31, 32, 33]


async def test_a_folder_with_a_journal_is_refused_unless_it_may_be_replaced(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    await invoked("journal", "backup", "--data", str(folder), "--to", str(copy))
    refused = await invoked("journal", "restore", "--data", str(folder), "--from", str(copy))
    assert (refused.exit_code, "--replace" in refused.stderr) == (2, True)
    with in_use(folder):
        busy = await invoked("journal", "restore", "--data", str(folder), "--from", str(copy), "--replace")
    assert (busy.exit_code, "serves this folder; end it" in busy.stderr) == (2, True)
    assert ids(folder / "journal.db") == list(range(1, 21))


@pytest.mark.parametrize("harm", ["cut", "empty", "changed", "longer", "text"])
async def test_a_backup_that_is_not_whole_replaces_nothing(folder: Path, tmp_path: Path, harm: str) -> None:
    copy = tmp_path / "copy.db"
    await invoked("journal", "backup", "--data", str(folder), "--to", str(copy))
    whole = copy.read_bytes()
    middle = len(whole) // 2 // CHUNK * CHUNK
    content = {
        "cut": whole[:-CHUNK],
        "empty": b"",
        "changed": whole[:middle] + bytes(CHUNK) + whole[middle + CHUNK :],
        "longer": whole + bytes(100),
        "text": b"no such pod",
    }[harm]
    digest = hashlib.sha256(whole).hexdigest()
    sums = ["--sha256", digest] if harm == "changed" else []
    done = await asyncio.to_thread(run, "restore", "--data", folder, "--from", "-", "--replace", *sums, content=content)
    assert done.returncode == 2
    assert done.stderr.startswith(b"Error: ")
    assert b"Traceback" not in done.stderr
    assert (b"it was changed or cut off" in done.stderr) is (harm == "changed"), "the sum is compared first"
    assert ids(folder / "journal.db") == list(range(1, 21))
    assert not (folder / "journal.backup.db").exists()


async def test_a_start_of_the_server_removes_what_a_killed_backup_left(folder: Path, tmp_path: Path) -> None:
    (folder / "journal.backup.db").write_bytes(b"half a copy")
    async with open_sink(accept) as sink:
        await _post(tmp_path, folder, Client(name="acme", url=sink.url), range(0))
    assert not (folder / "journal.backup.db").exists()
