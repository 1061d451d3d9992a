"""A journal's content, independent of the adapter and of its ids. Times are milliseconds since the epoch."""

import hashlib
import struct
from collections.abc import Iterable
from typing import Any

import msgspec

from trackpush_server.journal.announcements import (
    Announced,
    CollectedEvent,
    MessageRecord,
    SubjectTotal,
    TargetState,
)
from trackpush_server.journal.copying.unrecognised import UnrecognisedRecord


class TransferError(Exception):
    """The journal was not moved; the message says why and what to do."""


class JournalPlace(msgspec.Struct, frozen=True):
    """The identity and the location of a journal."""

    id: str
    """Random id, given when the journal is created; empty if an older version created it."""
    name: str
    """Location for messages: host and database, or a folder."""


class Existing(msgspec.Struct, frozen=True):
    """The journal that a target already holds."""

    place: JournalPlace
    is_finished: bool
    """True if servers can use it; False if it is an interrupted copy."""
    copied_from: str | None = None
    """Id of the journal that was copied, or is being copied, into it."""


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
    """Rounded to single precision, which is the type of PostgreSQL's column."""
    http_status: int | None
    error: str | None


class UpdateRecord(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One tracking update with its pushes and attempts, sorted by PushConfig (and number)."""

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
    """Encrypted if the journal is encrypted; copied without decryption."""
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
    """A namespace object that owns, or owned, a client's names."""

    namespace: str
    uid: str
    generation: str
    current: bool


class LastUpdateRecord(msgspec.Struct, frozen=True, array_like=True):
    """When an account's aggregator last sent an update."""

    account: str
    at: int | None
    served_since: int | None


class ListeningRecord(msgspec.Struct, frozen=True, array_like=True):
    """When servers could receive updates."""

    until: int
    pause_from: int
    pause_to: int


class RollupRecord(msgspec.Struct, frozen=True, array_like=True):
    """Counts of one bucket of time; ``name`` as in `trackpush_server.journal.rollups.RollupSubject`."""

    at: int
    subject: int
    name: str
    received: int
    delivered: int
    failed: int
    dead: int


class PortalKeyRecord(msgspec.Struct, frozen=True, array_like=True):
    """The key that signs links to the portal."""

    key: bytes


class PortalLinkRecord(msgspec.Struct, frozen=True, array_like=True):
    """A link to the portal."""

    id: str
    client: str
    role: str
    created_at: int
    expires_at: int
    created_by: str
    revoked_at: int | None


class PortalChangeRecord(msgspec.Struct, frozen=True, array_like=True):
    """A change of a PushConfig that somebody asked for in the portal."""

    id: str
    client: str
    namespace_uid: str
    push_config: str
    state: str
    message: str
    created_at: int
    ended_at: int | None
    content: bytes
    """Encrypted if the journal is encrypted; copied without decryption."""


class ConfigEntryRecord(msgspec.Struct, frozen=True, array_like=True):
    """An entry of the configuration's history."""

    id: int
    """Part of the record, because a cursor or a link may name it."""
    at: int
    revision: str
    added: int
    removed: int
    changed: int
    is_first: bool
    resources: str


class ConfigResourceRecord(msgspec.Struct, frozen=True, array_like=True):
    """A resource as of the newest entry of the configuration's history."""

    name: str
    fields: str


class UnscopedRecords(msgspec.Struct, frozen=True, kw_only=True):
    """The records that do not belong to an update, in the order written."""

    erasures: tuple[ErasureRecord, ...] = ()
    audits: tuple[AuditRecord, ...] = ()
    unrecognised: tuple[UnrecognisedRecord, ...] = ()
    tenants: tuple[TenantRecord, ...] = ()
    last_updates: tuple[LastUpdateRecord, ...] = ()
    listening: tuple[ListeningRecord, ...] = ()
    """At most one."""
    rollups: tuple[RollupRecord, ...] = ()
    portal_key: tuple[PortalKeyRecord, ...] = ()
    """At most one."""
    portal_links: tuple[PortalLinkRecord, ...] = ()
    portal_changes: tuple[PortalChangeRecord, ...] = ()
    announced: tuple[Announced, ...] = ()
    announced_events: tuple[CollectedEvent, ...] = ()
    announcement_targets: tuple[TargetState, ...] = ()
    messages: tuple[MessageRecord, ...] = ()
    """Bodies of messages to people that are not sent yet."""
    subject_totals: tuple[SubjectTotal, ...] = ()
    config_history: tuple[ConfigEntryRecord, ...] = ()
    config_resources: tuple[ConfigResourceRecord, ...] = ()


class Tally:
    """Row count and digest of each table. Two stores with the same content have equal tallies."""

    def __init__(self) -> None:
        self._digests = {
            name: hashlib.sha256()
            for name in (
                "updates", "pushes", "attempts", "erasures", "audits", "unrecognised", "tenants", "last_updates",
                "listening", "rollups", "portal_key", "portal_links", "portal_changes",
                "announced", "announced_events", "announcement_targets", "messages",
                "subject_totals", "config_history",
                "config_resources",
            )
        }  # fmt: skip
        self._counts = dict.fromkeys(self._digests, 0)

    def updates(self, records: Iterable[UpdateRecord]) -> None:
        for record in records:
            self._add("updates", [msgspec.structs.replace(record, pushes=(), attempts=())])
            self._add("pushes", [(record.key, push) for push in record.pushes])
            self._add("attempts", [(record.key, attempt) for attempt in record.attempts])

    def rest(self, rest: UnscopedRecords) -> None:
        self._add("erasures", rest.erasures)
        self._add("audits", rest.audits)
        self._add("unrecognised", rest.unrecognised)
        self._add("tenants", rest.tenants)
        self._add("last_updates", rest.last_updates)
        self._add("listening", rest.listening)
        self._add("rollups", rest.rollups)
        self._add("portal_key", rest.portal_key)
        self._add("portal_links", rest.portal_links)
        self._add("portal_changes", rest.portal_changes)
        self._add("announced", rest.announced)
        self._add("announced_events", rest.announced_events)
        self._add("announcement_targets", rest.announcement_targets)
        self._add("messages", rest.messages)
        self._add("subject_totals", rest.subject_totals)
        self._add("config_history", rest.config_history)
        self._add("config_resources", rest.config_resources)

    def _add(self, table: str, records: Iterable[object]) -> None:
        for record in records:
            self._digests[table].update(msgspec.msgpack.encode(record))
            self._counts[table] += 1

    def result(self) -> dict[str, tuple[int, str]]:
        """Row count and SHA-256 by table."""
        return {name: (self._counts[name], digest.hexdigest()) for name, digest in self._digests.items()}


def single(value: float) -> float:
    """The value rounded to single precision."""
    return float(struct.unpack("f", struct.pack("f", value))[0])


def without_nul(record: Any) -> Any:
    """The record with ``?`` in place of each NUL character, which PostgreSQL's text type does not accept."""
    if isinstance(record, str):
        return record.replace("\0", "?")
    if isinstance(record, tuple):
        return tuple(without_nul(value) for value in record)
    if isinstance(record, msgspec.Struct):
        changed = {name: without_nul(getattr(record, name)) for name in record.__struct_fields__}
        return msgspec.structs.replace(record, **changed)
    return record
