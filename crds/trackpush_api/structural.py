"""Converts pydantic's JSON Schema to a structural schema for Kubernetes. Pure."""

from typing import Any

_DROPPED = frozenset({"title", "additionalProperties", "$defs", "const"})


def structural(schema: dict[str, Any]) -> dict[str, Any]:
    """A structural schema: references replaced by their content, null alternatives and titles removed."""
    result = _convert(schema, schema.get("$defs", {}))
    return result if isinstance(result, dict) else {}


def _convert(node: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_convert(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    merged = _flatten(node, definitions)
    result: dict[str, Any] = {}
    for name, value in merged.items():
        if name == "properties":
            result[name] = {field: _convert(child, definitions) for field, child in value.items()}
        elif name == "additionalProperties" and isinstance(value, dict):
            result[name] = _convert(value, definitions)
        elif name == "default" and value is None:
            continue
        elif name not in _DROPPED:
            result[name] = _convert(value, definitions) if name == "items" else value
    if "const" in merged:
        result["enum"] = [merged["const"]]
    return result


def _flatten(node: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """Resolve ``$ref`` and ``X or null``, and keep the fields next to them (description, default)."""
    beside = {name: value for name, value in node.items() if name not in ("$ref", "anyOf")}
    if "$ref" in node:
        target = definitions[node["$ref"].rpartition("/")[2]]
        return _flatten({**target, **beside}, definitions)
    if "anyOf" in node:
        (choice,) = [option for option in node["anyOf"] if option.get("type") != "null"]
        return _flatten({**choice, **beside}, definitions)
    return node
