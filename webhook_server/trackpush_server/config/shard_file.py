"""One file of a routing table in shards: its last good version, and the problem of its current content.

Kubernetes replaces a projected volume as a whole at each change, so every file looks changed. Therefore the content
decides: bytes are decoded only if they differ from the last good version.
"""

import hashlib
from pathlib import Path

from trackpush_api import shards
from trackpush_api.shards import Shard, ShardError

Stamp = tuple[int, ...] | int | None
"""Inode, size and times (the second time shows a changed mode); or the number of the error; or None without a file."""
_UNREAD = -1
"""Equals no file's stamp, so the file is read at the next look."""


class ShardFile:
    """One file. Not thread-safe."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self.good: Shard | None = None
        """The version that is served."""
        self.decoded = 0
        """How many times the file was decoded."""
        self._path = folder / f"{name}.json"
        self._stamp: Stamp = None
        self._digest = b""
        self._seen = False
        self._wrong: str | None = None

    @property
    def is_missing(self) -> bool:
        """Whether the file exists or existed, but was never valid: its content is unknown."""
        return self.good is None and self._seen

    @property
    def problem(self) -> str | None:
        """The problem and its consequence; never contains a value from the file."""
        if self._wrong is None:
            return None
        kept = (
            "has never been read"
            if self.good is None
            else f"is served in its last good version (revision {self.revision})"
        )
        return f"{self._path.name}: {self._wrong}; shard {self.name} {kept}"

    @property
    def revision(self) -> str:
        """The revision of the served version; empty if there is none."""
        return "" if self.good is None else self.good.revision

    def stamp(self) -> Stamp:
        """A cheap value that changes whenever the file may have changed."""
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            return error.errno or 0
        return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns

    def read(self, server: str | None) -> None:
        """Read the file, and use it if it is a valid shard of this server (None: of any)."""
        stamp = self.stamp()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        if stamp is None:
            self._wrong = "the file is gone; write it again: an empty shard needs a file, too"
            return
        self._seen = True
        try:
            self._take(self._path.read_bytes(), server)
        except OSError as error:
            self._stamp = _UNREAD
            self._wrong = f"can't be read: {error.strerror}"
        except ShardError as error:
            self._wrong = str(error)

    def _take(self, data: bytes, server: str | None) -> None:
        digest = hashlib.sha256(data).digest()
        if digest != self._digest:
            self.decoded += 1
            shard = shards.decode(data)
            if shard.name != self.name:
                raise ShardError(f"it contains shard {shard.name}")
            if server is not None and shard.server != server:
                raise ShardError(f"it is a shard of {shard.server}, and this server is {server}")
            self.good, self._digest = shard, digest
        self._wrong = None
