"""A journal's content as any adapter stores it, without the ids that each gives. Times: ms since the epoch."""

import hashlib
import struct
from collections.abc import Iterable
from typing import Any

import msgspec

from trackpush_server.journal.copying.unrecognised import UnrecognisedRecord


class TransferError(Exception):
    """The journal was not moved; the message says why and what to do."""


class JournalPlace(msgspec.Struct, frozen=True):
    """A journal, and where it is."""

    id: str
    """Drawn when the journal was made; empty: not known, as an older version made it."""
    name: str
    """For people: host and database, or a folder."""


class Existing(msgspec.Struct, frozen=True):
    """The journal that a target holds."""

    place: JournalPlace
    is_finished: bool
    """Servers may use it; otherwise it is a copy that was cut short."""
    copied_from: str | None = None
    """Id of the journal that was, or is being, copied into it."""


class PushRecord(msgspec.Struct, frozen=True, array_like=True):
    """One push."""

    push_config: str
    state: int
    late: bool
    tries: int
    rejections: int
    due_at: int
    ended_at: int | None
    error: str | None
    replays: int
    replayed_at: int | None
    tries_before: int


class AttemptRecord(msgspec.Struct, frozen=True, array_like=True):
    """One attempt."""

    push_config: str
    number: int
    started_at: int
    duration_ms: float
    """In single precision, which is all that PostgreSQL's column holds."""
    http_status: int | None
    error: str | None


class UpdateRecord(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One tracking update with its pushes and attempts, both in order of PushConfig (and number)."""

    key: bytes
    account: str
    received_at: int
    occurred_at: int | None
    erased_at: int | None
    shipment: str
    awb: str | None
    forward_awb: str | None
    order_id: str | None
    status: str
    trace: str | None
    notification: bytes
    body: bytes
    """Sealed, where the journal is encrypted: moved as it is."""
    pushes: tuple[PushRecord, ...] = ()
    attempts: tuple[AttemptRecord, ...] = ()


class ErasureRecord(msgspec.Struct, frozen=True, array_like=True):
    """The record of an erasure."""

    subject: str
    reason: str
    begun_at: int
    ended_at: int | None
    updates: int
    pushes: int


class AuditRecord(msgspec.Struct, frozen=True, array_like=True):
    """An entry of the audit log."""

    at: int
    actor: str
    role: str
    action: str
    target: str
    address: str


class TenantRecord(msgspec.Struct, frozen=True, array_like=True):
    """A namespace object that a client's names belong to, or belonged to."""

    namespace: str
    uid: str
    generation: str
    current: bool


class UnscopedRecords(msgspec.Struct, frozen=True, kw_only=True):
    """What belongs to no update, in the order written."""

    erasures: tuple[ErasureRecord, ...] = ()
    audits: tuple[AuditRecord, ...] = ()
    unrecognised: tuple[UnrecognisedRecord, ...] = ()
    tenants: tuple[TenantRecord, ...] = ()


class Tally:
    """Counts and digests of each table, in order: equal for two stores that hold the same."""

    def __init__(self) -> None:
        self._digests = {
            name: hashlib.sha256()
            for name in ("updates", "pushes", "attempts", "erasures", "audits", "unrecognised", "tenants")
        }
        self._counts = dict.fromkeys(self._digests, 0)

    def updates(self, records: Iterable[UpdateRecord]) -> None:
        """Take these in."""
        for record in records:
            self._add("updates", [msgspec.structs.replace(record, pushes=(), attempts=())])
            self._add("pushes", [(record.key, push) for push in record.pushes])
            self._add("attempts", [(record.key, attempt) for attempt in record.attempts])

    def rest(self, rest: UnscopedRecords) -> None:
        """Take these in."""
        self._add("erasures", rest.erasures)
        self._add("audits", rest.audits)
        self._add("unrecognised", rest.unrecognised)
        self._add("tenants", rest.tenants)

    def _add(self, table: str, records: Iterable[object]) -> None:
        for record in records:
            self._digests[table].update(msgspec.msgpack.encode(record))
            self._counts[table] += 1

    def result(self) -> dict[str, tuple[int, str]]:
        """Rows and SHA-256 by table."""
        return {name: (self._counts[name], digest.hexdigest()) for name, digest in self._digests.items()}


def single(value: float) -> float:
    """The nearest number of single precision."""
    return float(struct.unpack("f", struct.pack("f", value))[0])


def without_nul(record: Any) -> Any:
    """The record with ``?`` for every NUL in a text: PostgreSQL stores none."""
    if isinstance(record, str):
        return record.replace("\0", "?")
    if isinstance(record, tuple):
        return tuple(without_nul(value) for value in record)
    if isinstance(record, msgspec.Struct):
        changed = {name: without_nul(getattr(record, name)) for name in record.__struct_fields__}
        return msgspec.structs.replace(record, **changed)
    return record
