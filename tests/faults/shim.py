"""A wall clock that steps and a disk that is slow to sync, for a process that a test starts: see shim.c."""

import hashlib
import mmap
import os
import shutil
import struct
import subprocess
from collections.abc import Mapping
from pathlib import Path

from kube.rig import build
from support.postgres import install

_SOURCE = Path(__file__).with_name("shim.c")


def library() -> Path:
    """Compiled once into the cache."""
    digest = hashlib.sha256(_SOURCE.read_bytes()).hexdigest()[:16]
    out = build.cache() / f"shim-{digest}.so"
    if not out.exists():
        if shutil.which("cc") is None:
            install("gcc", "libc6-dev")
        out.parent.mkdir(parents=True, exist_ok=True)
        part = out.with_suffix(f".{os.getpid()}")
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", str(part), str(_SOURCE), "-ldl"], check=True)
        part.replace(out)
    return out


class Shim:
    """One file of settings; processes started with `environment` follow it."""

    def __init__(self, file: Path) -> None:
        """``file`` and the library beside it are readable for all: the database isn't run by root."""
        file.write_bytes(bytes(16))
        file.chmod(0o644)
        self._file = file
        self._library = file.with_suffix(".so")
        shutil.copyfile(library(), self._library)
        with file.open("r+b") as opened:
            self._map = mmap.mmap(opened.fileno(), 16)

    @property
    def environment(self) -> Mapping[str, str]:
        """For the process."""
        return {"LD_PRELOAD": str(self._library), "TRACKPUSH_SHIM": str(self._file)}

    def step_clock(self, seconds: float) -> None:
        """Set the wall clock this far from the right time."""
        self._map[:8] = struct.pack("=q", int(seconds * 1e9))

    def remove(self) -> None:
        """Remove its files."""
        self._file.unlink()
        self._library.unlink()

    def slow_sync(self, seconds: float) -> None:
        """Let each sync take so much longer."""
        self._map[8:] = struct.pack("=q", int(seconds * 1e6))
