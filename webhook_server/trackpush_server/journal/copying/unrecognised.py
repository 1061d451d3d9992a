"""Copies the inbox in one piece, which its bounds allow, together with the other unscoped records."""

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
    """Encrypted if the journal is encrypted; copied without decryption."""


def records(rows: Iterable[Sequence[Any]]) -> tuple[UnrecognisedRecord, ...]:
    """Converts rows of `READ` to records."""
    return tuple(UnrecognisedRecord(*row) for row in rows)


def values(found: Iterable[UnrecognisedRecord]) -> list[tuple[Any, ...]]:
    """Converts records to rows in the order of `COLUMNS`."""
    return [tuple(getattr(row, name) for name in COLUMNS) for row in found]
