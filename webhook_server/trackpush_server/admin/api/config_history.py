"""The operation that reads the history of the configuration."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from trackpush_aggregators.updates import rfc3339
from trackpush_server.admin.api import shapes
from trackpush_server.admin.api.operation import ApiCall, operation
from trackpush_server.admin.api.reading import Limit, Params, Text
from trackpush_server.admin.desk import AdminServices
from trackpush_server.journal.config_history import ConfigEntry, ResourceChange
from trackpush_server.journal.search import MOST_ROWS


class ConfigHistoryParams(Params, frozen=True, kw_only=True):
    """Selects a part of the history of the configuration."""

    client: Text | None = None
    """A namespace: only changes of its resources."""
    before: Annotated[int, Meta(ge=1, le=(1 << 63) - 1)] | None = None
    limit: Limit = 100


class ChangedField(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One changed field of a resource's spec. Of a hidden one, both values are null."""

    path: str
    old: str | None
    """Null: it was not set."""
    new: str | None
    hidden: bool
    """The value is secret, or may be, so it is neither stored nor shown."""


class ChangedResource(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One resource that was added, removed or changed."""

    name: str
    """``Kind namespace/name``."""
    action: str
    """``added``, ``removed`` or ``changed``."""
    fields: tuple[ChangedField, ...]
    more_fields: int
    """Number of changed fields that are not listed."""


class ConfigChange(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One new revision of the configuration."""

    id: int
    at: shapes.Time
    revision: str
    added: int
    removed: int
    changed: int
    first: bool
    """The journal's first entry, which lists no resources."""
    resources: tuple[ChangedResource, ...]
    """As many as are kept; of one client, if the request named one. The three numbers count all."""


class ConfigHistory(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A page of the history, newest first, before the entry ``before``."""

    changes: tuple[ConfigChange, ...]
    before: int | None


@operation("GET", "/config/history")
async def list_config_history(call: ApiCall, query: ConfigHistoryParams) -> ConfigHistory:
    """The history of the configuration, newest first, without secrets."""
    return await history(call.desk, query)


OPERATIONS: Final = (list_config_history,)


async def history(desk: AdminServices, query: ConfigHistoryParams) -> ConfigHistory:
    """A page of the history.

    Raises:
        JournalUnavailableError: the journal can't be read.
    """
    found: list[ConfigChange] = []
    before = query.before
    while True:
        rows = await desk.lookup.config_history(before=before, limit=min(query.limit, MOST_ROWS))
        for row in rows:
            change = _change(row, query.client)
            if query.client is None or change.resources:
                found.append(change)
            if len(found) == query.limit:
                return ConfigHistory(changes=tuple(found), before=row.id)
        if len(rows) < query.limit:
            return ConfigHistory(changes=tuple(found), before=None)
        before = rows[-1].id


def _change(row: ConfigEntry, client: str | None) -> ConfigChange:
    return ConfigChange(
        id=row.id,
        at=rfc3339(row.at),
        revision=row.revision,
        added=row.added,
        removed=row.removed,
        changed=row.changed,
        first=row.is_first,
        resources=tuple(
            _resource(resource) for resource in row.resources if client is None or _client(resource) == client
        ),
    )


def _client(resource: ResourceChange) -> str:
    """The namespace in ``Kind namespace/name``."""
    return resource.name.partition(" ")[2].partition("/")[0]


def _resource(change: ResourceChange) -> ChangedResource:
    return ChangedResource(
        name=change.name,
        action=change.action,
        fields=tuple(
            ChangedField(path=field.path, old=field.old, new=field.new, hidden=field.hidden) for field in change.fields
        ),
        more_fields=change.more_fields,
    )
