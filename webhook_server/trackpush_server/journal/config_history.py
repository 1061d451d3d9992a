"""Entries of the configuration's history, without secret values. Pure. Times are milliseconds since the epoch."""

from typing import Final, Literal

import msgspec

MOST_ENTRIES: Final = 1000
"""The history keeps so many entries, the newest."""
MOST_FIELDS: Final = 20
"""Changed fields that an entry lists for one resource."""
MOST_BYTES: Final = 16_384
"""Size of an entry's list of resources, as JSON."""

StoredFields = dict[str, str | bool]
"""The fields of a resource by path: the text to show, or true for one that is set and whose value is never stored."""


class FieldChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One changed field. Of a hidden one, ``old`` and ``new`` are None."""

    path: str
    old: str | None = None
    """None: it was not set."""
    new: str | None = None
    hidden: bool = False
    """The field is secret, or may be."""


class ResourceChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One resource that was added, removed or changed."""

    name: str
    """``Kind namespace/name``."""
    action: Literal["added", "removed", "changed"]
    fields: tuple[FieldChange, ...] = ()
    more_fields: int = 0
    """Number of changed fields that are not listed."""


class NewConfigEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A new revision, and how the configuration differs from that of the previous entry."""

    at: int
    revision: str
    added: int
    removed: int
    changed: int
    resources: tuple[ResourceChange, ...]
    """Bounded by `MOST_BYTES`; the numbers count all."""
    is_first: bool = False
    """The first entry of the journal lists nothing: all its resources are new to the journal."""


class ConfigEntry(msgspec.Struct, frozen=True, kw_only=True):
    """An entry, as stored."""

    id: int
    at: int
    revision: str
    added: int
    removed: int
    changed: int
    is_first: bool
    resources: tuple[ResourceChange, ...]


class ConfigHead(msgspec.Struct, frozen=True, kw_only=True):
    """The newest entry."""

    id: int
    revision: str
    recent: tuple[str, ...]
    """Revisions of the entries since the given time, the newest first."""


def encoded(resources: tuple[ResourceChange, ...]) -> str:
    """The resources as JSON, as many as `MOST_BYTES` allow."""
    parts: list[bytes] = []
    size = 2
    for resource in resources:
        part = msgspec.json.encode(resource)
        size += len(part) + 1
        if size > MOST_BYTES:
            break
        parts.append(part)
    return f"[{b','.join(parts).decode()}]"


def decoded(text: str) -> tuple[ResourceChange, ...]:
    return msgspec.json.decode(text, type=tuple[ResourceChange, ...])


def encoded_fields(fields: StoredFields) -> str:
    return msgspec.json.encode(fields, order="sorted").decode()


def decoded_fields(text: str) -> StoredFields:
    return msgspec.json.decode(text, type=StoredFields)
