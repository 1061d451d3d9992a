"""Finds unquoted codes in an AggregatorDefinition that YAML reads as other values: 010 as 8, 1.50 as 1.5. Pure.

Such a row matches another code, and neither the compiled definition nor the API server knows what the author wrote.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

import yaml

from trackpush_api.yaml_reader import child

_SHOWN: Final = 64
_JSON_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?")
"""What means the same number in JSON, so that it can be meant as a number of a body."""


def misread_codes(resource: yaml.Node, spec: Any) -> Iterator[tuple[str, str]]:
    """Field and message of each misread value in the tables and samples of a definition.

    ``spec`` is the value of the resource's spec.
    """
    node = child(resource, "spec")[1]
    for field, value, place in _entries(_of(spec, "status", "table"), _place(node, "status", "table"), "status.table"):
        yield from _texts(_of(value, "when"), _place(place, "when"), f"{field}.when")
    yield from _keys(_of(spec, "direction", "table"), _place(node, "direction", "table"), "direction.table")
    for field, value, place in _entries(_of(spec, "samples"), _place(node, "samples"), "samples"):
        yield from _numbers(_of(value, "body"), _place(place, "body"), f"{field}.body")
        yield from _texts(_of(value, "expect"), _place(place, "expect"), f"{field}.expect")


def _texts(value: Any, node: yaml.Node | None, field: str) -> Iterator[tuple[str, str]]:
    """The scalars that are meant as texts."""
    for path, number, scalar in _scalars(value, node, field):
        if scalar.value != str(number):
            yield path, _message(scalar.value, number)


def _numbers(value: Any, node: yaml.Node | None, field: str) -> Iterator[tuple[str, str]]:
    """The scalars of a body, in which 1.50 is the same number as 1.5."""
    for path, number, scalar in _scalars(value, node, field):
        if _JSON_NUMBER.fullmatch(scalar.value) is None:
            yield path, _message(scalar.value, number)


def _keys(table: Any, node: yaml.Node | None, field: str) -> Iterator[tuple[str, str]]:
    if isinstance(table, dict) and isinstance(node, yaml.MappingNode):
        for value, (key, _) in zip(table, node.value, strict=False):
            yield from _texts(value, key, f"spec.{field}.{key.value}")


def _message(written: str, number: float) -> str:
    return f"YAML reads {written[:_SHOWN]} as the number {str(number)[:_SHOWN]}: put it in quotes"


def _scalars(value: Any, node: yaml.Node | None, field: str) -> Iterator[tuple[str, float, yaml.ScalarNode]]:
    """Field, value and node of each number within a value."""
    if isinstance(value, dict):
        for name, member in value.items():
            yield from _scalars(member, _place(node, str(name)), f"{field}.{name}")
    elif isinstance(value, list):
        for number, element in enumerate(value):
            yield from _scalars(element, _place(node, f"[{number}]"), f"{field}[{number}]")
    elif isinstance(value, int | float) and not isinstance(value, bool) and isinstance(node, yaml.ScalarNode):
        yield field, value, node


def _entries(values: Any, node: yaml.Node | None, field: str) -> Iterator[tuple[str, Any, yaml.Node | None]]:
    """Field, value and node of each entry of a list in the spec."""
    for number, value in enumerate(values if isinstance(values, list) else ()):
        yield f"spec.{field}[{number}]", value, _place(node, f"[{number}]")


def _of(value: Any, *names: str) -> Any:
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _place(node: yaml.Node | None, *parts: str) -> yaml.Node | None:
    for part in parts:
        node = child(node, part)[1]
    return node
