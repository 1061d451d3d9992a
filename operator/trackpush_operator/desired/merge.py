"""Lays podTemplate overrides over what we make: objects by key, lists of named things by name."""

from typing import Any


def merged(ours: Any, theirs: Any) -> Any:
    """``theirs`` over ``ours``. A null removes a field, as in a JSON merge patch."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        kept = {name: value for name, value in ours.items() if name not in theirs}
        laid = {name: merged(ours.get(name), value) for name, value in theirs.items() if value is not None}
        return kept | laid
    if isinstance(ours, list) and isinstance(theirs, list) and _are_named(ours) and _are_named(theirs):
        by_name = {one["name"]: one for one in theirs}
        changed = [merged(one, by_name.pop(one["name"], {})) for one in ours]
        return changed + list(by_name.values())
    return theirs


def _are_named(things: list[Any]) -> bool:
    return all(isinstance(one, dict) and "name" in one for one in things)
