"""Reads the checked tree of an expression from the exchange format of CEL runtimes.

`cel_expr_python` has no API for the tree, but ``serialize()`` returns a ``cel.expr.CheckedExpr`` (cel-spec,
checked.proto and syntax.proto) inside a ``google.protobuf.Any``. This module reads only what the maximum cost depends
on, without a protobuf library.
"""

from collections.abc import Iterator
from typing import NamedTuple

from trackpush_api.expressions.faults import InvalidExpressionError

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class Constant(NamedTuple):
    """A literal; ``text`` is None if it is not a string."""

    text: str | None
    size: int


class Name(NamedTuple):
    """A variable with its qualified name, or the variable of a macro."""

    name: str


class Member(NamedTuple):
    """``operand.name``, or ``has(operand.name)``."""

    operand: "Node"


class Call(NamedTuple):
    """A function or an operator (``_==_``). The target of a method is the first argument."""

    function: str
    arguments: tuple["Node", ...]


class Items(NamedTuple):
    """A list, or a map with keys and values alternating."""

    items: tuple["Node", ...]


class Message(NamedTuple):
    """A protobuf message, which no filter needs."""

    name: str


class Loop(NamedTuple):
    """A macro over a list or a map: ``all``, ``exists``, ``map`` and so on."""

    variable: str
    accumulator: str
    over: "Node"
    start: "Node"
    steps: tuple["Node", ...]
    """Evaluated for each value: the condition for continuing, and the step."""
    result: "Node"


Node = Constant | Name | Member | Call | Items | Message | Loop


class UnreadableTreeError(InvalidExpressionError):
    """The runtime's format isn't the one described above, so the maximum cost is unknown."""


def read_tree(serialized: bytes) -> Node:
    """The tree of ``Expression.serialize()``.

    Raises:
        UnreadableTreeError: the bytes are in another format.
    """
    try:
        checked = _only(serialized, 2)
        return _node(_only(checked, 4))
    except (IndexError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise UnreadableTreeError(
            f"can't be bounded in cost: the CEL runtime writes an unknown form ({error})"
        ) from None


def _node(message: bytes) -> Node:  # noqa: PLR0911  one kind of node each
    for number, value in _fields(message):
        match number:
            case 3:
                return _constant(_some(value))
            case 4:
                return Name(_text(_only(_some(value), 1)))
            case 5:
                return Member(_node(_only(_some(value), 1)))
            case 6:
                return _call(_some(value))
            case 7:
                return Items(tuple(_node(_some(each)) for key, each in _fields(_some(value)) if key == 1))
            case 8:
                return _made(_some(value))
            case 9:
                return _loop(_some(value))
    raise KeyError("an expression of no known kind")


def _constant(message: bytes) -> Constant:
    for number, value in _fields(message):
        if isinstance(value, bytes):
            return Constant(value.decode() if number == 6 else None, len(value))  # noqa: PLR2004  string_value
    return Constant(None, 8)


def _call(message: bytes) -> Call:
    function = _text(_only(message, 2))
    arguments = [_node(_some(value)) for number, value in _fields(message) if number == 3]  # noqa: PLR2004  args
    target = [_node(_some(value)) for number, value in _fields(message) if number == 1]
    return Call(function, (*target, *arguments))


def _made(message: bytes) -> Node:
    fields = list(_fields(message))
    for number, value in fields:
        if number == 1 and value:
            return Message(_text(_some(value)))
    entries = [_some(value) for number, value in fields if number == 2]  # noqa: PLR2004  entries
    parts = [part for entry in entries for part in _fields(entry) if part[0] in {3, 4}]
    return Items(tuple(_node(_some(value)) for _, value in parts))


def _loop(message: bytes) -> Loop:
    parts = {number: _some(value) for number, value in _fields(message)}
    if 8 in parts:  # noqa: PLR2004  iter_var2
        raise KeyError("a macro with two variables")
    return Loop(
        variable=_text(parts[1]),
        accumulator=_text(parts[3]),
        over=_node(parts[2]),
        start=_node(parts[4]),
        steps=(_node(parts[5]), _node(parts[6])),
        result=_node(parts[7]),
    )


def _fields(message: bytes) -> Iterator[tuple[int, bytes | int]]:
    """Field numbers and values of a protobuf message, in order. Encoding: protobuf.dev, "Encoding"."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        kind = tag & 7
        if kind == _VARINT:
            value, at = _varint(message, at)
            yield tag >> 3, value
            continue
        if kind == _BYTES:
            size, at = _varint(message, at)
        else:
            size = {_FIXED64: 8, _FIXED32: 4}[kind]
        if at + size > len(message):
            raise IndexError("it ends early")
        yield tag >> 3, message[at : at + size]
        at += size


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:  # noqa: PLR2004  the last one
            return value, at


def _only(message: bytes, number: int) -> bytes:
    """The last field with this number, which counts in protobuf."""
    found = [value for key, value in _fields(message) if key == number]
    return _some(found[-1])


def _some(value: bytes | int) -> bytes:
    if isinstance(value, int):
        raise TypeError("a number where a message is expected")
    return value


def _text(value: bytes) -> str:
    return value.decode()
