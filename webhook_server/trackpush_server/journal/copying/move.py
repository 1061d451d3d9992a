"""Copies the missing records, compares both stores, retires the source, then releases the target to servers."""

from collections.abc import Callable
from functools import partial
from typing import Final

import msgspec

from trackpush_server.journal.copying.ports import CopySource, CopyTarget, StoreReader
from trackpush_server.journal.copying.records import Existing, Tally, TransferError, UpdateRecord

PART: Final = 500
"""Updates per step. Bounds memory: one update can have a megabyte."""


class CopyProgress(msgspec.Struct, frozen=True, kw_only=True):
    """Progress of a copy."""

    step: str
    """``copied``, ``read again`` (the source, for the comparison) or ``compared`` (the target)."""
    updates: int
    total: int


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """The result of comparing one table of both stores."""

    table: str
    rows: int
    digest: str
    """SHA-256 of all rows in order."""


async def move(source: CopySource, target: CopyTarget, tell: Callable[[CopyProgress], None]) -> tuple[Compared, ...]:
    """Move the whole journal; returns the compared tables, or () if an earlier run has already moved it there.

    Raises:
        TransferError: the move failed. No data is lost; run it again to continue.
    """
    try:
        reading = await source.open()
        existing = await target.open()
        _refuse_another(source, existing)
        if source.moved_to is not None and existing is not None and existing.is_finished:
            return ()
        written = await target.begin(source.id)
        await _copy(reading, written, target, tell)
        await target.finish(await reading.rest())
        compared = await _compare(reading, written, target, tell)
        # Retire first: if the process dies between these two lines, no server can use either store until the next run.
        await source.retire(await target.place())
        await target.release()
        return compared
    finally:
        await target.close()
        await source.close()


def _refuse_another(source: CopySource, existing: Existing | None) -> None:
    """Check that the target is the right one: a moved journal has one target, and a target holds one journal.

    Raises:
        TransferError: it is not the right target.
    """
    moved_to = source.moved_to
    if moved_to is not None and not _is_there(existing, moved_to.id):
        where = f" to {moved_to.name} (journal {moved_to.id})" if moved_to.id else ""
        raise TransferError(
            f"this journal was moved{where} before; start the server on that one, or name it here to finish the copy"
        )
    if existing is None:
        return
    if existing.is_finished and moved_to is None:
        raise TransferError(f"{existing.place.name} holds a journal already; name an empty place")
    if existing.copied_from not in {None, source.id}:
        raise TransferError(
            f"{existing.place.name} holds an unfinished copy of another journal ({existing.copied_from});"
            " empty it, or name that journal as the source"
        )


def _is_there(existing: Existing | None, journal: str) -> bool:
    """Whether a target holds this journal. If the id is unknown, only an unfinished copy, never used, counts."""
    if existing is None:
        return False
    return existing.place.id == journal if journal else not existing.is_finished


async def _copy(
    reading: StoreReader, written: StoreReader, target: CopyTarget, tell: Callable[[CopyProgress], None]
) -> None:
    total, done = await reading.count(), await written.count()
    after = await _resume_at(reading, target)
    while True:
        tell(CopyProgress(step="copied", updates=done, total=total))
        part = await reading.part(after, PART)
        if not part.records:
            return
        await target.write([target.storable(record) for record in part.records])
        after, done = part.last_id, done + len(part.records)


async def _resume_at(reading: StoreReader, target: CopyTarget) -> int:
    key = await target.last_key()
    if key is None:
        return 0
    after = await reading.position(key)
    if after is None:
        raise TransferError("what was copied before isn't of this journal; empty the target, or name the other source")
    return after


async def _compare(
    reading: StoreReader, written: StoreReader, target: CopyTarget, tell: Callable[[CopyProgress], None]
) -> tuple[Compared, ...]:
    ours = await _tally(reading, target.storable, partial(_at, tell, "read again"))
    theirs = await _tally(written, lambda record: record, partial(_at, tell, "compared"))
    wrong = [name for name, found in ours.items() if theirs[name] != found]
    if wrong:
        told = ", ".join(f"{name}: {ours[name][0]} rows, copied {theirs[name][0]}" for name in wrong)
        raise TransferError(f"the copy differs from the journal ({told}); empty the target and copy again")
    return tuple(Compared(table=name, rows=rows, digest=digest) for name, (rows, digest) in ours.items())


def _at(tell: Callable[[CopyProgress], None], step: str, updates: int, total: int) -> None:
    tell(CopyProgress(step=step, updates=updates, total=total))


async def _tally(
    reading: StoreReader, storable: Callable[[UpdateRecord], UpdateRecord], tell: Callable[[int, int], None]
) -> dict[str, tuple[int, str]]:
    tally, after, done, total = Tally(), 0, 0, await reading.count()
    while True:
        part = await reading.part(after, PART)
        if not part.records:
            break
        tally.updates(map(storable, part.records))
        after, done = part.last_id, done + len(part.records)
        tell(done, total)
    tally.rest(await reading.rest())
    return tally.result()
