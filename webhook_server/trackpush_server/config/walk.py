"""Finds the files of a folder of resources, for `trackpush check` and `trackpush serve`.

Nothing in the folder can stop or block it: an unreadable file is returned with its problem.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

_SUFFIXES: Final = (".yaml", ".yml", ".json")
MOST_BYTES: Final = 8 * 1024 * 1024
"""Maximum size of one file. A client's resources take a few kilobytes."""
_PART_BYTES: Final = 64 * 1024
_MIB: Final = 1024 * 1024
Stamp = tuple[int, ...]
"""Inode, size and times: changes with each save, and with a changed mode."""


class FoundFile(NamedTuple):
    """A file, or something else with the name of a resource file."""

    name: str
    """The path relative to the folder."""
    path: str
    stamp: Stamp = ()
    trouble: str | None = None
    """Why the file is not read, and what to do."""
    is_folder: bool = False
    """Whether this is a folder. Files below it are still found."""
    is_link: bool = False


def walk(folder: Path) -> list[FoundFile]:
    """All files with resources below a folder, by name. Links to files are followed, hidden names are not.

    Raises:
        OSError: the folder itself can't be read.
    """
    with os.scandir(folder):
        pass
    return sorted(_walk(str(folder), ""), key=lambda found: found.name)


def read_text(found: FoundFile) -> str:
    """The text of a file without trouble.

    Raises:
        OSError: it can't be read, or is not a file any more.
        UnicodeDecodeError: it is not UTF-8.
    """
    # O_NONBLOCK: opening a FIFO must not block
    descriptor = os.open(found.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError("it is not a file any more")
        return _read_all(descriptor).decode("utf-8-sig")
    finally:
        os.close(descriptor)


def _read_all(descriptor: int) -> bytes:
    """Read at most one byte more than the maximum size; for small files twice as fast as a file object."""
    parts: list[bytes] = []
    left = MOST_BYTES + 1
    while left and (part := os.read(descriptor, min(left, _PART_BYTES))):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _walk(path: str, prefix: str) -> Iterator[FoundFile]:
    try:
        with os.scandir(path) as entries:
            listed = list(entries)
    except OSError as error:
        trouble = f"the folder can't be read ({error.strerror}); make it readable"
        yield FoundFile(prefix.rstrip("/"), path, trouble=trouble, is_folder=True)
        return
    for entry in listed:
        if entry.name.startswith("."):
            continue
        name = prefix + entry.name
        has_suffix = entry.name.endswith(_SUFFIXES)
        if entry.is_dir(follow_symlinks=False):
            if has_suffix:
                trouble = "is a folder with the name of a file; rename it"
                yield FoundFile(name, entry.path, trouble=trouble, is_folder=True)
            yield from _walk(entry.path, f"{name}/")
        elif has_suffix:
            yield _found(name, entry)


def _found(name: str, entry: "os.DirEntry[str]") -> FoundFile:
    is_link = entry.is_symlink()
    try:
        found = entry.stat()
    except OSError as error:
        is_dangling = isinstance(error, FileNotFoundError) and is_link
        why = "is a link to a file that does not exist" if is_dangling else f"can't be read ({error.strerror})"
        return FoundFile(name, entry.path, trouble=f"{why}; correct or remove it", is_link=is_link)
    stamp = (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    if not stat.S_ISREG(found.st_mode):
        return FoundFile(name, entry.path, stamp, f"is {_kind(found.st_mode)}, not a file; remove it", is_link=is_link)
    if found.st_size > MOST_BYTES:
        trouble = f"has {found.st_size / _MIB:.1f} MiB; at most {MOST_BYTES // _MIB} MiB are read: split it"
        return FoundFile(name, entry.path, stamp, trouble, is_link=is_link)
    return FoundFile(name, entry.path, stamp, is_link=is_link)


def _kind(mode: int) -> str:
    kinds = ((stat.S_ISDIR, "a link to a folder"), (stat.S_ISFIFO, "a FIFO"), (stat.S_ISSOCK, "a socket"))
    return next((words for check, words in kinds if check(mode)), "a device")
