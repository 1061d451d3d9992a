"""How one configuration differs from another, resource by resource. Pure."""

from collections.abc import Callable, Iterator, Mapping
from typing import Literal, NamedTuple

from trackpush_api.routing import RoutingTable
from trackpush_server.config_history.fields import (
    Fields,
    Hidden,
    Resource,
    Shown,
    defaults,
    fields,
    resources,
    stored,
)
from trackpush_server.journal.config_history import MOST_FIELDS, FieldChange, ResourceChange, StoredFields

_Old = Mapping[str, Shown] | StoredFields
_Previous = Callable[[str, Resource], _Old | None]
"""The previous fields of a resource that existed; None if it did not change."""


class Difference(NamedTuple):
    """The differences, and what the journal must store to know the new configuration."""

    changes: tuple[ResourceChange, ...]
    resources: dict[str, StoredFields]
    """Resources that are new, or whose stored fields changed."""
    gone: tuple[str, ...]

    def number(self, action: Literal["added", "removed", "changed"]) -> int:
        return sum(change.action == action for change in self.changes)


def between(old: RoutingTable, new: RoutingTable) -> Difference:
    """How two routing tables differ. Changed secrets are noticed."""
    before = dict(resources(old))

    def previous(name: str, resource: Resource) -> Fields | None:
        found = before.get(name)
        return None if found is None or found == resource else fields(found)

    return _difference(new, before, previous)


def since(old: Mapping[str, StoredFields], new: RoutingTable) -> Difference:
    """How a routing table differs from the stored fields. Changed secrets can't be noticed."""
    return _difference(new, old, lambda name, _: old.get(name))


def _difference(new: RoutingTable, old: Mapping[str, object], previous: _Previous) -> Difference:
    now = dict(resources(new))
    gone = tuple(sorted(old.keys() - now.keys()))
    changes = [ResourceChange(name=name, action="removed") for name in gone]
    changed: dict[str, StoredFields] = {}
    for name, resource in now.items():
        if name not in old:
            changes.append(ResourceChange(name=name, action="added"))
            changed[name] = stored(fields(resource))
        elif (before := previous(name, resource)) is not None:
            found = fields(resource)
            listed = tuple(_changed(before, found, defaults(type(resource))))
            if listed:
                more = max(len(listed) - MOST_FIELDS, 0)
                changes.append(
                    ResourceChange(name=name, action="changed", fields=listed[:MOST_FIELDS], more_fields=more)
                )
                changed[name] = stored(found)
    return Difference(tuple(sorted(changes, key=lambda change: change.name)), changed, gone)


def _changed(old: _Old, new: Fields, usual: Mapping[str, Shown]) -> Iterator[FieldChange]:
    for path in sorted({*old, *new}):
        before, after = old.get(path, usual.get(path)), new.get(path, usual.get(path))
        if before is True and isinstance(after, Hidden):
            continue  # the stored fields don't have the value, so it can't be compared
        if before != after:
            hidden = isinstance(after, Hidden) or isinstance(before, Hidden) or before is True
            yield FieldChange(path=path, old=_shown(before), new=_shown(after), hidden=hidden)


def _shown(value: object) -> str | None:
    return value if isinstance(value, str) else None
