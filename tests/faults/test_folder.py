"""The journal's folder as people find it: removed logs and locks, and places that a server must not use."""

from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest

from support.command import invoked
from support.deadline import until
from support.load import open_aggregator
from support.manifests import Client, write
from support.server import ServerProcess, running
from support.sink import open_sink
from trackpush_server.journal.sqlite.note import NoteFile

pytestmark = pytest.mark.slow
UPDATES = 200


async def test_a_log_that_was_removed_after_a_kill_is_logged_counted_and_shown_by_status(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with open_sink() as sink:
        client = Client(name="acme", url=sink.url)
        async with (
            running(write(tmp_path / "resources", [client]), data) as server,
            open_aggregator(server.url, client) as aggregator,
        ):
            await aggregator.many(range(UPDATES))
            assert len(aggregator.accepted) == UPDATES
            note = NoteFile(data / "journal.note")
            await until(lambda: getattr(note.read(), "last_id", 0) == UPDATES, seconds=10, what="the note")
            await server.kill()
            (data / "journal.db-wal").unlink()
            await server.start()

            line = server.logged("journal_log_incomplete")
            assert line is not None
            assert "its log is missing" in line["found"]
            assert f"to {UPDATES} were answered with 200 and are gone" in line["found"]
            ready = await server.probe("/readyz")
            assert (ready.status, "the journal has lost stored data" in ready.text) == (200, True)
            assert "trackpush_journal_incomplete 1.0" in (await server.probe("/metrics")).text
            told = await invoked("status", "--admin", server.admin_url)
            assert told.exit_code == 1
            assert "JournalIncomplete" in told.stdout
            assert (await aggregator.post(UPDATES)).status == 200
            assert await server.terminate() == 0

            await server.start()
            assert "trackpush_journal_incomplete 0.0" in (await server.probe("/metrics")).text


async def test_without_the_lock_file_a_second_server_is_never_ready_and_the_first_serves_on(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with open_sink() as sink:
        client = Client(name="acme", url=sink.url)
        resources = write(tmp_path / "resources", [client])
        async with running(resources, data) as first, open_aggregator(first.url, client) as aggregator:
            assert (await aggregator.post(0)).status == 200
            (data / "journal.lock").unlink()
            async with running(resources, data, ready=False) as second:
                probe = await second.probe("/readyz")
                assert (probe.status, "serves this folder" in probe.text) == (503, True)
                async with open_aggregator(second.url, client) as other:
                    assert (await other.post(1)).status == 503
                await until((data / "journal.lock").exists, seconds=5, what="the lock file")
                assert first.logged("journal_lock_restored") is not None
                assert (await aggregator.post(2)).status == 200
                assert (await second.probe("/readyz")).status == 503


def _open_to_all(data: Path) -> None:
    data.mkdir()
    data.chmod(0o777)


def _linked(data: Path) -> None:
    data.with_name("real").mkdir(mode=0o700)
    data.symlink_to(data.with_name("real"))


def _linked_file(data: Path) -> None:
    data.mkdir(mode=0o700)
    (data / "journal.db").symlink_to(data.with_name("elsewhere.db"))


def _moved_away(data: Path) -> None:
    data.mkdir(mode=0o700)
    (data / "journal.copied.db").touch(mode=0o600)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (_open_to_all, "can be written by every user of this machine (mode 0777)"),
        (_linked, "is a symbolic link; name the folder that it points to"),
        (_linked_file, "journal.db is a symbolic link"),
        (_moved_away, "`trackpush journal copy` moved this journal away"),
    ],
)
async def test_a_place_that_a_journal_must_not_be_kept_in_ends_the_start_with_exit_code_1(
    tmp_path: Path, make: Callable[[Path], None], says: str
) -> None:
    data = tmp_path / "data"
    make(data)
    server = ServerProcess(write(tmp_path / "resources", [Client(name="acme", url="http://127.0.0.1:2/hook")]), data)
    with pytest.raises(AssertionError, match="the server ended at once"):
        await server.start()
    assert says in server.tail()
    assert server.returncode == 1
    assert not (tmp_path / "data" / "journal.db-wal").exists(), "a journal was begun"
    assert not (tmp_path / "elsewhere.db").exists()


async def test_a_volume_that_everybody_may_write_to_is_taken_in_a_pod(tmp_path: Path) -> None:
    _open_to_all(tmp_path / "data")
    resources = write(tmp_path / "resources", [Client(name="acme", url="http://127.0.0.1:2/hook")])
    async with (
        running(resources, tmp_path / "data", environment={"TRACKPUSH_DATA_VOLUME": "1"}) as server,
        aiohttp.ClientSession() as session,
        session.get(f"{server.admin_url}/readyz") as answer,
    ):
        assert answer.status == 200
