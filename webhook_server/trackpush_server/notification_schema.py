"""The JSON Schema of the canonical notification, and the rules for changes within one version.

Clients generate code and tables from the schema. So within a version only fields and enum values may be added, and
nothing else may change. Code that a client wrote for version 1 works with every later state of version 1.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from trackpush_aggregators.canonical import Notification

VERSION: Final = 1
SCHEMA_ID: Final = f"https://trackpush.dev/schemas/notification.v{VERSION}.json"
"""An identifier, not a URL to fetch: the schema is part of the docs."""

Schema = Mapping[str, Any]

_PUSH_ID = "psh_0064746bb0a1b2c3d4e5f60718293a4b-1f2e3d4c"
_ID: Schema = {
    "description": "Id of the push; equals the header webhook-id, and is the same in every attempt and replay.",
    "examples": [_PUSH_ID],
    "type": "string",
    "pattern": "^psh_[0-9a-f]{32}-[0-9a-f]{8}$",
}
_LATE: Schema = {
    "description": "Whether a newer update of this shipment was pushed before: don't let this one overwrite it.",
    "type": "boolean",
}
_RAW: Schema = {
    "description": "The aggregator's own JSON of this update, secrets redacted.",
    "type": "object",
}
_FIXED = ("anyOf", "const", "format", "pattern", "type")
"""Keywords whose values must not change within a version."""
_GROWS = "may be added"
"""The description of a field whose values clients must not take as a closed list: it may become any text."""


def notification_schema() -> dict[str, Any]:
    """The schema, draft 2020-12. Unknown fields are allowed at every place."""
    _, components = msgspec.json.schema_components([Notification], ref_template="#/$defs/{name}")
    definitions = dict(components)
    notification = definitions.pop("Notification")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "Notification",
        "description": "The canonical form of one tracking update, as Trackpush pushes it. Ignore unknown fields.",
        "type": "object",
        "properties": {"id": _ID, "late": _LATE, **notification["properties"], "raw": _RAW},
        "required": ["id", "late", *notification["required"], "raw"],
        "$defs": definitions,
    }


def breaks(old: Schema, new: Schema) -> list[str]:
    """The changes in ``new`` that break a client written for ``old``: one line each."""
    return list(_breaks(_inline(old, old), _inline(new, new), "notification"))


def _breaks(old: Schema, new: Schema, path: str) -> Iterator[str]:
    for word in _FIXED:
        if old.get(word) != new.get(word):
            yield f"{path}: {word} was {old.get(word)!r} and is {new.get(word)!r}"
    gone = [value for value in old.get("enum", []) if value not in new.get("enum", [])]
    is_opened = "enum" not in new and _GROWS in old.get("description", "")
    if gone and not is_opened:
        yield f"{path}: {', '.join(map(str, gone))} can no longer be derived"
    if "enum" in old and None in new.get("enum", []) and None not in old["enum"]:
        yield f"{path}: may be null"
    yield from _raised_limits(old, new, path)
    if "items" in old:
        yield from _breaks(old["items"], new.get("items", {}), f"{path}[]")
    for name, field in old.get("properties", {}).items():
        inner = f"{path}.{name}"
        if name not in new.get("properties", {}):
            yield f"{inner}: is gone"
            continue
        if name in old["required"] and name not in new["required"]:
            yield f"{inner}: is not always there any more"
        yield from _breaks(field, new["properties"][name], inner)


def _raised_limits(old: Schema, new: Schema, path: str) -> Iterator[str]:
    for limit, exceeded in _LIMITS.items():
        if new.get(limit, _ENDLESS) > old.get(limit, _ENDLESS):
            yield f"{path}: {exceeded.format(old[limit])}"


_ENDLESS = float("inf")
_LIMITS: Final = {"maxLength": "may be longer than {} characters", "maxItems": "may have more than {} items"}


def _inline(node: Any, root: Schema) -> Any:
    """The node with every reference resolved; null beside an enum becomes one of its values."""
    if isinstance(node, list):
        return [_inline(each, root) for each in node]
    if not isinstance(node, Mapping):
        return node
    found = {name: _inline(each, root) for name, each in node.items() if name not in {"$defs", "$ref"}}
    if "$ref" in node:
        found = _inline(root["$defs"][node["$ref"].removeprefix("#/$defs/")], root) | found
    choices = found.get("anyOf", [])
    if any("enum" in each for each in choices):
        del found["anyOf"]
        found["enum"] = [value for each in choices for value in each.get("enum", [None])]
    return found
