"""Decides whether a change of the portal may be applied, and to which objects. Pure.

The server that reports a change is reachable from the internet, so nothing that it reports is believed: the client
must be one that the WebhookServer serves, and the objects must be the portal's own.
"""

import copy
from collections.abc import Collection
from typing import Any, Final, NamedTuple

import msgspec

from trackpush_api.portal_label import MANAGED_BY, PORTAL, is_portals
from trackpush_operator.kube.api import Body
from trackpush_operator.store.objects import Item

PORTAL_MANAGER: Final = "trackpush-portal"
"""Name of the field manager."""
MOST_PUSH_CONFIGS: Final = 8
"""Maximum number of PushConfigs that the portal creates for one client."""
_WRITTEN: Final = frozenset({"f:url", "f:headers", "f:signing", "f:filter", "f:suspend"})
"""The fields of a PushConfig's spec that the portal writes. Others, such as ``delivery``, belong to anybody."""


class ChangeContext(NamedTuple):
    """What the operator knows about the client of a change."""

    edits: bool
    """Whether the WebhookServer allows changes."""
    is_served: bool
    """Whether the WebhookServer serves the client."""
    is_used: bool
    """Whether an AggregatorWebhook of the client sends to a PushConfig of this name."""
    namespace_uids: frozenset[str]
    """UIDs of the client's namespace object, as its resources show it."""
    created: frozenset[str]
    """Names of the client's PushConfigs that the portal created."""


def allows_edit(server: Item | None) -> bool:
    """Whether a WebhookServer lets the portal's visitors change PushConfigs: ``spec.portal.edit``."""
    if server is None:
        return False
    spec = msgspec.json.decode(server.spec)
    portal = spec.get("portal") if isinstance(spec, dict) else None
    return isinstance(portal, dict) and portal.get("edit") is True


def objection_to_client(name: str, namespace_uid: str, context: ChangeContext) -> str | None:
    """The reason why a PushConfig of this name may not be written for the client, or None."""
    if not context.edits:
        return "changes in the portal were switched off (spec.portal.edit of the WebhookServer)"
    if not context.is_served:
        return "this server does not serve the client"
    if context.namespace_uids != {namespace_uid}:
        return "the client's namespace was created again; ask for a new link"
    return None if name in context.created else _objection_to_new(name, context)


def _objection_to_new(name: str, context: ChangeContext) -> str | None:
    if not context.is_used:
        return f"no AggregatorWebhook of the client names the PushConfig {name}"
    if len(context.created) >= MOST_PUSH_CONFIGS:
        return f"the portal creates at most {MOST_PUSH_CONFIGS} PushConfigs for a client"
    return None


def objection_to_push_config(found: Body | None) -> str | None:
    """The reason why an existing PushConfig may not be written, or None."""
    return None if found is None else _objection("PushConfig", found, "f:spec", _WRITTEN)


def objection_to_secret(found: Body | None) -> str | None:
    """The reason why an existing Secret may not be written, or None."""
    return None if found is None else _objection("Secret", found, "f:data", None)


def needs_adoption(body: Body) -> bool:
    """Whether the portal created the object and its fields are not yet managed by server-side apply."""
    return any(_is_creation(entry) for entry in _entries(body))


def adopted(body: Body) -> list[Body]:
    """The managedFields with which a later server-side apply removes fields that it no longer contains.

    An object is created by POST, which fails if the name is taken. Its fields are then managed as an update's.
    """
    return [
        {**copy.deepcopy(entry), "operation": "Apply"} if _is_creation(entry) else entry for entry in _entries(body)
    ]


def _objection(kind: str, found: Body, part: str, fields: Collection[str] | None) -> str | None:
    name = found["metadata"]["name"]
    if not is_portals(found["metadata"].get("labels")):
        return (
            f"{kind} {name} exists and was not created in the portal, so only its owner changes it"
            f" (it lacks the label {MANAGED_BY}: {PORTAL})"
        )
    entries = _entries(found)
    if not any(entry.get("manager") == PORTAL_MANAGER and _part(entry, part) for entry in entries):
        return f"{kind} {name} exists and was not created in the portal, so only its owner changes it"
    for entry in entries:
        theirs = [field for field in _part(entry, part) if fields is None or field in fields]
        if entry.get("manager") != PORTAL_MANAGER and theirs:
            changed = ", ".join(field.removeprefix("f:") for field in sorted(theirs)) if fields else "its data"
            return f"{entry.get('manager')} changed {kind} {name} outside of the portal ({changed})"
    return None


def _entries(body: Body) -> list[Body]:
    """The managedFields except those of subresources, such as the status."""
    return [entry for entry in body["metadata"].get("managedFields") or [] if not entry.get("subresource")]


def _part(entry: Body, part: str) -> dict[str, Any]:
    """The fields below ``f:spec`` or ``f:data`` that a manager owns."""
    found: dict[str, Any] = {
        field: below for field, below in ((entry.get("fieldsV1") or {}).get(part) or {}).items() if field != "."
    }
    return found


def _is_creation(entry: Body) -> bool:
    return entry.get("manager") == PORTAL_MANAGER and entry.get("operation") == "Update"
