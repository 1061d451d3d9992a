"""A folder of shards as a source of routing tables: what `trackpush serve --shards DIR` watches.

In Kubernetes the folder is a projected volume of the Secrets that the operator writes. Each file is handled separately.
If a shard is broken, its last good version is served, and all other shards are updated. A good version is kept until
the process ends, whatever happens to its file.
"""

import hashlib
import operator
import os
from collections.abc import Hashable, Iterable
from pathlib import Path

from trackpush_api import shards
from trackpush_api.routing import RoutingTable
from trackpush_api.shards import Shard
from trackpush_server.config.shard_file import ShardFile
from trackpush_server.config.source import Loaded

_REVISION_DIGITS = 16


class ShardFolder:
    """``settings.json`` and ``00.json`` … ``62.json``, each of them optional."""

    def __init__(self, folder: Path, *, server: str | None = None) -> None:
        """``server``: the ``namespace/name`` to serve; if None, the server in the first valid settings."""
        self.name = str(folder)
        self._folder = folder
        self._server = server
        self._settings = ShardFile(folder, shards.SETTINGS)
        self._files = (self._settings, *(ShardFile(folder, name) for name in shards.SHARD_NAMES))
        self._parts: tuple[Shard, ...] = ()
        self._table: RoutingTable | None = None

    @property
    def decoded(self) -> int:
        """Number of files decoded so far."""
        return sum(file.decoded for file in self._files)

    def fingerprint(self) -> Hashable:
        """Inode, size and time of every file.

        Raises:
            OSError: the folder can't be read.
        """
        with os.scandir(self._folder):
            pass
        return tuple(file.stamp() for file in self._files)

    def load(self) -> Loaded:
        """Read the changed files; returns a table if there are settings. See `Source`."""
        self._settings.read(self._server)
        if self._settings.good is None:
            return Loaded(table=None, problems=(self._no_settings(),), waits=True)
        self._server = self._settings.good.server
        for file in self._files:
            file.read(self._server)
        return Loaded(
            table=self._join(tuple(file.good for file in self._files if file.good is not None)),
            problems=tuple(file.problem for file in self._files if file.problem is not None),
            complete=not any(file.is_missing for file in self._files),
            revisions={file.name: file.revision for file in self._files if file.good is not None},
        )

    def _no_settings(self) -> str:
        wrong = self._settings.problem
        return wrong or (
            f"{self._folder}/settings.json does not exist yet: wait until the operator writes it, or mount its Secret"
        )

    def _join(self, parts: tuple[Shard, ...]) -> RoutingTable:
        same = len(parts) == len(self._parts) and all(map(operator.is_, parts, self._parts))
        if same and self._table is not None:
            return self._table
        table = shards.join(parts)
        # Set now: computing it later would encode the whole table in one step and block the event loop.
        vars(table)["revision"] = _revision(parts)
        self._parts, self._table = parts, table
        return table


def _revision(parts: Iterable[Shard]) -> str:
    """The revision of the whole table. It is the same on every server with the same versions of all shards."""
    text = "\n".join(f"{part.name} {part.revision}" for part in parts)
    return hashlib.sha256(text.encode()).hexdigest()[:_REVISION_DIGITS]
