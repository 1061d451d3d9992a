"""A file system of a few MiB that a test can fill, empty and make read-only. Needs root on Linux."""

import contextlib
import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

_BLOCK = 4096


class Disk:
    """A mounted tmpfs."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ballast = path / "ballast"

    def fill(self) -> None:
        """Take every free block."""
        with self._ballast.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"\0" * _BLOCK)

    def empty(self) -> None:
        """Give the blocks back."""
        self._ballast.unlink()

    def read_only(self, *, on: bool) -> None:
        """Remount. Fails while a file is open for writing."""
        _run("mount", "-o", "remount,ro" if on else "remount,rw", str(self.path))


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")


@contextlib.contextmanager
def small_disk(path: Path, *, size: str) -> Iterator[Disk]:
    """Mount one, and unmount it in the end. Skips the test where mounting is not allowed."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    path.mkdir()
    try:
        _run("mount", "-t", "tmpfs", "-o", f"size={size}", "trackpush-test", str(path))
    except OSError as error:
        pytest.skip(f"no small file system can be mounted here: {error}")
    try:
        yield Disk(path)
    finally:
        _run("umount", "--lazy", str(path))


@contextlib.contextmanager
def refused_writes(files: Sequence[Path]) -> Iterator[None]:
    """While the block runs, the kernel refuses every write to these files, also through open descriptors.

    Skips the test where the file system has no immutable flag or the user may not set it.
    """
    names = [str(file) for file in files]
    try:
        _run("chattr", "+i", *names)
    except OSError as error:
        pytest.skip(f"files can't be made immutable here: {error}")
    try:
        yield
    finally:
        _run("chattr", "-i", *names)
