"""Bytes that the SQLite journal writes for each update, and its ingest on a large file; of older versions, too."""

import asyncio
import contextlib
import os
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec

import paths
from rig import Rig
from stats import VoidError

THIS = "this version"


class WrittenBytes(msgspec.Struct, frozen=True, kw_only=True):
    """Of one version. Rates a second."""

    rows: int
    """Updates in the file when the measurement begins."""
    bytes: float
    """Handed to the kernel for each update, 20 in a commit, each with its outcome: the log and what is copied
    from it into the file."""
    disk_bytes: float
    """The same as the kernel counts what it sends to the disk."""
    rate: float
    """Updates a second meanwhile, one commit after the other."""
    ingest_empty: float
    """With 64 requests at once, on an empty file."""
    ingest_full: float
    filling: float | None
    """Updates a second while the file was filled, 1,000 in a commit; None: the file was there already."""
    file_bytes: float
    """Size of the file for each update in it."""


async def measure(
    rig: Rig, *, rows: int, count: int, revision: str | None = None, filled: Path | None = None
) -> WrittenBytes:
    """Measure this version or an older one, in a process of its own.

    ``filled`` keeps the file of each version, so that the next run need not fill it again.

    Raises:
        VoidError: it ended with an error.
    """
    folder = rig.folder / "journal-bytes" if filled is None else filled / (revision or "this")
    async with sources(revision) as root:
        try:
            output = await _run(
                sys.executable,
                str(paths.HERE / "written.py"),
                *("--folder", str(folder), "--rows", str(rows), "--count", str(count)),
                version=root,
            )
        finally:
            for old in folder.glob("*" if filled is None else "empty-*"):
                await asyncio.to_thread(shutil.rmtree, old, ignore_errors=True)
    return msgspec.convert({**msgspec.json.decode(output), "rows": rows}, WrittenBytes)


@contextlib.asynccontextmanager
async def sources(revision: str | None) -> AsyncIterator[Path]:
    """A folder with the sources of a version; None is this one."""
    if revision is None:
        yield paths.ROOT
        return
    tree = paths.CACHE / f"against-{revision}"
    await _run("git", "-C", str(paths.ROOT), "worktree", "add", "--force", "--detach", str(tree), revision)
    try:
        yield tree
    finally:
        await _run("git", "-C", str(paths.ROOT), "worktree", "remove", "--force", str(tree))


async def _run(*command: str, version: Path | None = None) -> bytes:
    environment = {**os.environ, **paths.environment(version)}
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await process.communicate()
    if process.returncode:
        raise VoidError(f"{command[0]} ended with {process.returncode}: {errors.decode(errors='replace')[-2000:]}")
    return output
