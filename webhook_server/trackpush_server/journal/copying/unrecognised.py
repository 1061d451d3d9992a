"""The inbox of a journal that is moved: read whole, as it is bounded, and written with what belongs to no update."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

COLUMNS: Final = (
    "key", "account", "aggregator", "received_at", "last_at", "times", "size", "content_type", "body",
)  # fmt: skip
READ: Final = f"SELECT {', '.join(COLUMNS)} FROM {{table}} ORDER BY id"  # noqa: S608  constants


class UnrecognisedRecord(msgspec.Struct, frozen=True, array_like=True):
    """One unrecognised body."""

    key: bytes
    account: str
    aggregator: str
    received_at: int
    last_at: int
    times: int
    size: int
    content_type: str
    body: bytes
    """Sealed, where the journal is encrypted: moved as it is."""


def records(rows: Iterable[Sequence[Any]]) -> tuple[UnrecognisedRecord, ...]:
    """The records of rows that `READ` gives."""
    return tuple(UnrecognisedRecord(*row) for row in rows)


def values(found: Iterable[UnrecognisedRecord]) -> list[tuple[Any, ...]]:
    """The columns of each record."""
    return [tuple(getattr(row, name) for name in COLUMNS) for row in found]
