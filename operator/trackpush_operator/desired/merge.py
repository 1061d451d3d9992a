"""Merges podTemplate overrides into the operator's manifests: objects by key, lists of named elements by name."""

from typing import Any


def merged(ours: Any, theirs: Any) -> Any:
    """``ours`` with the values of ``theirs``. A null removes a field, as in a JSON merge patch."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        kept = {name: value for name, value in ours.items() if name not in theirs}
        laid = {name: merged(ours.get(name), value) for name, value in theirs.items() if value is not None}
        return kept | laid
    if isinstance(ours, list) and isinstance(theirs, list) and _are_named(ours) and _are_named(theirs):
        by_name = {item["name"]: item for item in theirs}
        changed = [merged(item, by_name.pop(item["name"], {})) for item in ours]
        return changed + list(by_name.values())
    return theirs


def _are_named(things: list[Any]) -> bool:
    return all(isinstance(item, dict) and "name" in item for item in things)
