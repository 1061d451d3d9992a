"""Records what a program does to the files below a folder on a `Disk` for each folder, through Python's own `os`."""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from power.disk import Disk, DiskFile


class RecordedFolders:
    """The folders below ``root``; ``root`` itself is on disk."""

    def __init__(self, root: Path, make: Callable[[], Disk], *, on_call: Callable[[str], None]) -> None:
        """``make`` creates the disk of a folder; ``on_call`` gets the name of each function before it runs."""
        self._root = root
        self._make = make
        self._on_call = on_call
        self._disks: dict[Path, Disk] = {root: make()}
        self._opened: dict[int, tuple[Path, DiskFile | None, bool]] = {}

    def after_power_failure(self, folder: Path | None = None) -> dict[Path, bytes]:
        """The files by path, if the power failed now."""
        folder = folder or self._root
        left: dict[Path, bytes] = {}
        for name, content in self._disks[folder].after_power_failure().items():
            path = folder / name
            left |= self.after_power_failure(path) if path in self._disks else {path: content}
        return left

    @contextlib.contextmanager
    def recording(self) -> Iterator[None]:
        """Record until the block ends."""
        with pytest.MonkeyPatch.context() as patch:
            for name in ("open", "close", "write", "ftruncate", "fdatasync", "fsync", "mkdir", "rename", "unlink"):
                patch.setattr(os, name, self._wrapped(name, getattr(self, f"_{name}")))
            yield

    def _wrapped(self, name: str, note: Callable[..., None]) -> Callable[..., Any]:
        real = getattr(os, name)

        def call(*arguments: Any, **options: Any) -> Any:
            self._on_call(name)
            result = real(*arguments, **options)
            note(result, *arguments)
            return result

        return call

    def _disk_of(self, path: object) -> tuple[Disk, str] | None:
        if not isinstance(path, (str, Path)):
            return None
        found = Path(path)
        disk = self._disks.get(found.parent)
        return None if disk is None else (disk, found.name)

    def _open(self, descriptor: int, path: object, flags: int, *_: object) -> None:
        disk = self._disk_of(path)
        if isinstance(path, (str, Path)) and Path(path) in self._disks:
            self._opened[descriptor] = (Path(path), None, False)
        elif disk is not None:
            self._opened[descriptor] = (Path(str(path)).parent, disk[0].file(disk[1]), bool(flags & os.O_APPEND))

    def _close(self, _: None, descriptor: int) -> None:
        self._opened.pop(descriptor, None)

    def _write(self, count: int, descriptor: int, data: bytes) -> None:
        folder, file, _ = self._opened.get(descriptor, (None, None, False))
        if folder is not None and file is not None:
            position = os.lseek(descriptor, 0, os.SEEK_CUR) - count
            self._disks[folder].write(file, position, bytes(data[:count]))

    def _ftruncate(self, _: None, descriptor: int, size: int) -> None:
        folder, file, _appends = self._opened.get(descriptor, (None, None, False))
        if folder is not None and file is not None:
            self._disks[folder].truncate(file, size)

    def _fdatasync(self, _: None, descriptor: int) -> None:
        folder, file, _appends = self._opened.get(descriptor, (None, None, False))
        if folder is None:
            return
        if file is None:
            self._disks[folder].sync_names()
        else:
            self._disks[folder].sync(file)

    _fsync = _fdatasync

    def _mkdir(self, _: None, path: object, *_mode: object) -> None:
        disk = self._disk_of(path)
        if disk is not None:
            disk[0].file(disk[1])
            self._disks[Path(str(path))] = self._make()

    def _rename(self, _: None, path: object, new: object) -> None:
        disk = self._disk_of(path)
        if disk is not None:
            disk[0].rename(disk[1], Path(str(new)).name)

    def _unlink(self, _: None, path: object, *_options: object) -> None:
        disk = self._disk_of(path)
        if disk is not None:
            disk[0].remove(disk[1])
