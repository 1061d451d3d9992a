"""A disk that loses power: it holds back what was not synced, and keeps a random part of it. Pure.

A file system promises little after a power failure: what was synced is there. A write that was not synced may be there,
be missing, or be there in part, and a later write may be there without an earlier one. The name of a new, renamed or
removed file is safe when its folder was synced; until then, a prefix of the changes of the names is there, because file
systems write their own log in order.
"""

import random
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

SECTOR: Final = 512
"""Bytes that a disk writes as a whole, or not at all."""


class Write(NamedTuple):
    """A write, or a truncation if ``data`` is None."""

    offset: int
    data: bytes | None


@dataclass(eq=False)
class DiskFile:
    """One file, whatever its name."""

    synced: bytes = b""
    unsynced: list[Write] = field(default_factory=list)


def applied(content: bytes, writes: Iterable[Write]) -> bytes:
    """The content after these writes."""
    made = bytearray(content)
    for offset, data in writes:
        if len(made) < offset:
            made.extend(bytes(offset - len(made)))
        if data is None:
            del made[offset:]
        else:
            made[offset : offset + len(data)] = data
    return bytes(made)


def survivors(writes: Iterable[Write], chance: random.Random) -> list[Write]:
    """What a power failure leaves of writes that were not synced: some of them, some in part, some after later ones."""
    share = chance.choice((0.0, 0.1, 0.5, 0.9, 1.0))
    kept = [part for write in writes if chance.random() < share for part in _torn(write, chance)]
    if chance.random() < 0.5:  # half of the disks reorder
        chance.shuffle(kept)
    return kept


def _torn(write: Write, chance: random.Random) -> list[Write]:
    """The write, or some of its sectors."""
    if write.data is None or chance.random() < 0.7:  # most writes are whole
        return [write]
    parts = []
    begin = write.offset
    end = write.offset + len(write.data)
    while begin < end:
        stop = min(end, (begin // SECTOR + 1) * SECTOR)
        if chance.random() < 0.5:
            parts.append(Write(begin, write.data[begin - write.offset : stop - write.offset]))
        begin = stop
    return parts


Names = dict[str, DiskFile]


class Disk:
    """All files of one folder. Thread-safe."""

    def __init__(self, chance: random.Random, on_step: Callable[["Disk"], None]) -> None:
        """``on_step`` is called before each change: the moment of a possible power failure."""
        self._chance = chance
        self._on_step = on_step
        self._lock = threading.RLock()
        self._names: Names = {}
        self._synced_names: Names = {}
        self._renamings: list[Names] = []
        """The names after each change that was not synced."""

    def file(self, name: str) -> DiskFile:
        """The file of this name, new if there is none."""
        with self._lock:
            if name not in self._names:
                self._step()
                self._change_names(self._names | {name: DiskFile()})
            return self._names[name]

    def write(self, file: DiskFile, offset: int, data: bytes) -> None:
        with self._lock:
            self._step()
            file.unsynced.append(Write(offset, data))

    def truncate(self, file: DiskFile, size: int) -> None:
        with self._lock:
            self._step()
            file.unsynced.append(Write(size, None))

    def sync(self, file: DiskFile) -> None:
        """All writes of the file are safe after this."""
        with self._lock:
            self._step()
            file.synced = applied(file.synced, file.unsynced)
            file.unsynced.clear()

    def sync_names(self) -> None:
        """All names are safe after this."""
        with self._lock:
            self._step()
            self._synced_names = dict(self._names)
            self._renamings.clear()

    def remove(self, name: str) -> None:
        with self._lock:
            self._step()
            self._change_names({other: file for other, file in self._names.items() if other != name})

    def rename(self, name: str, new: str) -> None:
        with self._lock:
            self._step()
            rest = {other: file for other, file in self._names.items() if other != name}
            self._change_names(rest | {new: self._names[name]})

    def after_power_failure(self) -> dict[str, bytes]:
        """The files by name, if the power failed now."""
        with self._lock:
            names = self._chance.choice([self._synced_names, *self._renamings])
            return {name: applied(file.synced, survivors(file.unsynced, self._chance)) for name, file in names.items()}

    def _change_names(self, names: Names) -> None:
        self._names = names
        self._renamings.append(names)

    def _step(self) -> None:
        self._on_step(self)
