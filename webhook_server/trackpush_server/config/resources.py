"""A folder of resource files as a source of routing tables: what `trackpush serve DIR` watches."""

import hashlib
import os
from collections.abc import Callable, Hashable, Iterator
from pathlib import Path

from trackpush_api.routing import RoutingTable
from trackpush_server.config.source import Loaded

_SUFFIXES = (".yaml", ".yml", ".json")
_REVISION_DIGITS = 12

Compile = Callable[[Path], tuple[RoutingTable | None, tuple[str, ...]]]
"""Reads and compiles a folder: a table, or all that is wrong with it, one line each."""


class ResourceFolder:
    """Files below a folder, links followed. Hidden ones (drafts, ``..data``) are no resources."""

    def __init__(self, folder: Path, compile_folder: Compile) -> None:
        self.name = str(folder)
        self._folder = folder
        self._compile = compile_folder
        self._salt = os.urandom(16)
        self._table: RoutingTable | None = None

    def fingerprint(self) -> Hashable:
        """Name, inode, size and time of every file: it changes with each save, and when a volume swaps its link.

        Raises:
            OSError: the folder can't be read.
        """
        stats = [(entry.path, entry.stat()) for entry in self._files()]
        return tuple((path, one.st_ino, one.st_size, one.st_mtime_ns) for path, one in stats)

    def load(self) -> Loaded:
        """Read and compile; see `Source`."""
        table, problems = self._compile(self._folder)
        if problems:
            return Loaded(table=None, problems=problems)
        if table is not None and (self._table is None or table.revision != self._table.revision):
            self._table = table
        return Loaded(table=table and self._table, revisions=dict(self._revisions()))

    def _revisions(self) -> Iterator[tuple[str, str]]:
        """Salted for this process, so that nobody can try passwords against the revision of a file of Secrets."""
        for entry in self._files():
            content = Path(entry.path).read_bytes()
            digest = hashlib.blake2b(content, key=self._salt).hexdigest()
            yield os.path.relpath(entry.path, self._folder), digest[:_REVISION_DIGITS]

    def _files(self) -> list["os.DirEntry[str]"]:
        return sorted(_walk(self._folder), key=lambda entry: entry.path)


def _walk(folder: "Path | os.DirEntry[str]") -> "Iterator[os.DirEntry[str]]":
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(entry)
            elif entry.name.endswith(_SUFFIXES):
                yield entry
