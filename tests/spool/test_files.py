"""The spool's files: durable and private, and whole again after a torn or failed write."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from trackpush_server.spool import files as files_module
from trackpush_server.spool.files import SpoolFiles

WRITER = """
import sys
from pathlib import Path
from trackpush_server.spool.files import SpoolFiles
files = SpoolFiles(Path(sys.argv[1]))
for number in range(200):
    files.append([b"\\n%s %d\\n" % (sys.argv[2].encode(), number)])
"""


@pytest.fixture
def files(tmp_path: Path) -> SpoolFiles:
    made = SpoolFiles(tmp_path)
    made.prepare()
    return made


def taken(files: SpoolFiles) -> list[bytes]:
    return [line.strip() for batch in files.batches() for line in batch]


def test_lines_are_taken_in_order_and_later_ones_wait_for_the_next_part(files: SpoolFiles) -> None:
    files.append([b"\na\n", b"\nb\n"])
    files.append([b"\nc\n"])
    assert files.take()
    files.append([b"\nd\n"])
    assert taken(files) == [b"a", b"b", b"c"]
    assert files.take(), "the part that is not discarded is taken again"
    assert taken(files) == [b"a", b"b", b"c"]
    files.discard()
    assert files.take()
    assert taken(files) == [b"d"]
    files.discard()
    assert not files.take()


def test_half_a_line_of_a_writer_that_was_killed_does_not_harm_the_next_one(files: SpoolFiles) -> None:
    files.append([b"\na\n"])
    with (files.folder / "arrivals").open("ab") as torn:
        torn.write(b"\nhalf of b")
    files.append([b"\nc\n"])
    assert files.take()
    assert taken(files) == [b"a", b"half of b", b"c"]


def test_after_a_failed_write_nothing_of_it_stays(files: SpoolFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    files.append([b"\na\n"])

    def fails(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", fails)
        with pytest.raises(OSError, match="No space"):
            files.append([b"\nb\n"])
    files.append([b"\nc\n"])
    assert files.take()
    assert taken(files) == [b"a", b"c"]


@pytest.mark.parametrize("write", [SpoolFiles.append, SpoolFiles.reject])
def test_the_name_of_a_new_file_is_on_disk_too(
    files: SpoolFiles, write: Callable[[SpoolFiles, list[bytes]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(files_module, "sync", synced.append)
    write(files, [b"\na\n"])
    assert synced == [files.folder]
    write(files, [b"\nb\n"])
    assert synced == [files.folder], "the name is there already"


def test_a_spool_that_nobody_reads_is_bounded(files: SpoolFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files_module, "MOST_BYTES", 10)
    files.append([b"\n0123456789\n"])
    with pytest.raises(OSError, match="doesn't read it in"):
        files.append([b"\nx\n"])


def test_folder_and_files_are_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        files = SpoolFiles(tmp_path)
        files.prepare()
        files.append([b"\na\n"])
        files.reject([b"b"])
    finally:
        os.umask(before)
    assert files.folder.stat().st_mode & 0o777 == 0o700
    assert {path.name: path.stat().st_mode & 0o777 for path in files.folder.iterdir()} == {
        "arrivals": 0o600,
        "lock": 0o600,
        "rejected": 0o600,
    }


def test_a_link_in_place_of_folder_or_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "spool").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(NotADirectoryError, match="is not a folder; remove it"):
        SpoolFiles(tmp_path).prepare()
    (tmp_path / "spool").unlink()
    files = SpoolFiles(tmp_path)
    files.prepare()
    (files.folder / "arrivals").symlink_to(tmp_path / "elsewhere" / "file")
    with pytest.raises(OSError, match="symbolic link"):
        files.append([b"\na\n"])


def test_what_was_taken_is_overwritten_before_it_is_removed(files: SpoolFiles) -> None:
    files.append([b"\nname and address\n"])
    assert files.take()
    copy = files.folder / "copy"
    copy.hardlink_to(files.folder / "taken")
    files.discard()
    assert set(copy.read_bytes()) == {0}
    copy.rename(files.folder / "taken")
    assert taken(files) == [], "a part that comes back after a power failure is empty"


def test_two_writers_and_a_reader_at_the_same_time_lose_and_tear_nothing(files: SpoolFiles, tmp_path: Path) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), name]) for name in ("left", "right")]
    found: list[bytes] = []
    while any(writer.poll() is None for writer in writers) or files.has_arrivals:
        if files.take():
            found += taken(files)
            files.discard()
    assert [writer.returncode for writer in writers] == [0, 0]
    for name in (b"left", b"right"):
        assert [line for line in found if line.startswith(name)] == [b"%s %d" % (name, number) for number in range(200)]
    assert len(found) == 400
