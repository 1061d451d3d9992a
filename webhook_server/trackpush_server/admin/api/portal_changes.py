"""The operations with which the operator applies the changes that clients' people asked for in the portal.

The answer has credentials, so the session of a browser can't read it: only the bearer of the admin token can.
"""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from trackpush_aggregators.updates import rfc3339
from trackpush_api.portal_change import CHANGE_ID, PortalChange
from trackpush_server.admin.api.operation import ApiCall, operation
from trackpush_server.admin.api.reading import Params
from trackpush_server.admin.api.shapes import Time
from trackpush_server.admin.identity import address
from trackpush_server.admin.problems import ProblemError
from trackpush_server.journal.portal_changes import ChangeRow, ChangeState, WaitingChange

_PATTERNS: Final = {"id": f"^{CHANGE_ID}$"}


class ChangesParams(Params, frozen=True, kw_only=True):
    """Selects waiting changes."""

    limit: Annotated[int, Meta(ge=1, le=100, description="Maximum number of entries.")] = 20


class RequestedChange(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A waiting change."""

    id: str
    push_config: str
    """``namespace/name``."""
    requested_at: Time
    change: PortalChange | None
    """The change with its credentials; null if it is unreadable."""
    unreadable: str | None
    """Why the change can't be decrypted."""


class RequestedChanges(msgspec.Struct, frozen=True, kw_only=True):
    """Waiting changes, the oldest first."""

    changes: tuple[RequestedChange, ...]


class ChangeOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """The end of a change."""

    state: Literal["applied", "refused"]
    message: Annotated[str, Meta(max_length=2000)] = ""
    """For the person who asked for the change: why it was refused, or a note."""


class ChangeStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The state of a change."""

    id: str
    push_config: str
    state: ChangeState
    message: str
    requested_at: Time
    ended_at: Time | None


@operation("GET", "/portal/changes", secret=True)
async def list_portal_changes(call: ApiCall, query: ChangesParams) -> RequestedChanges:
    """Changes of PushConfigs that were asked for in the portal and wait, with credentials; only for a bearer token."""
    if call.identity.via != "token":
        raise ProblemError(403, "this answer has credentials: send the admin token, not the session of a browser")
    found = await call.desk.portal_changes.waiting(limit=query.limit)
    return RequestedChanges(changes=tuple(map(_requested, found)))


@operation("POST", "/portal/changes/{id}/outcome", errors=(404,), path_patterns=_PATTERNS)
async def end_portal_change(call: ApiCall, body: ChangeOutcome) -> ChangeStatus:
    """End a waiting change and delete its credentials. A change that has ended keeps its state."""
    changes = call.desk.portal_changes
    row = await changes.find(call.path["id"])
    if row is None:
        raise ProblemError(404, f"no change {call.path['id'][:64]}: it may have been deleted after newer ones")
    if row.state is ChangeState.WAITING:
        target = f"PushConfig {row.client}/{row.push_config}, {row.id}"
        await call.desk.audit(call.identity, f"portal.{body.state}", target, address(call.request))
        message = "".join(letter if letter.isprintable() else " " for letter in body.message)
        now = int(call.desk.wall() * 1000)
        row = await changes.settle(row.id, ChangeState(body.state), message, now=now) or row
    return _status(row)


OPERATIONS: Final = (list_portal_changes, end_portal_change)


def _requested(waiting: WaitingChange) -> RequestedChange:
    row = waiting.row
    change, unreadable = None, waiting.unreadable
    if unreadable is None:
        try:
            change = msgspec.json.decode(waiting.content, type=PortalChange)
        except msgspec.DecodeError:
            unreadable = "its content is not of this version"
    return RequestedChange(
        id=row.id,
        push_config=f"{row.client}/{row.push_config}",
        requested_at=rfc3339(row.created_at),
        change=change,
        unreadable=unreadable,
    )


def _status(row: ChangeRow) -> ChangeStatus:
    return ChangeStatus(
        id=row.id,
        push_config=f"{row.client}/{row.push_config}",
        state=row.state,
        message=row.message,
        requested_at=rfc3339(row.created_at),
        ended_at=None if row.ended_at is None else rfc3339(row.ended_at),
    )
