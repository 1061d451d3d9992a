"""Computes the maximum time of an expression, and refuses the few forms without a maximum. Pure.

The runtime has limits of its own (32 levels of nesting, 10,000 rounds of macros, RE2's linear time). Within them, an
expression can still block a server for seconds: ``map`` copies its list in every round, ``s + s`` inside it doubles a
text, and Unicode classes create large automata. So when an expression is compiled, this module visits its tree once,
with the maximum size of each variable. An expression that may take longer than `MOST_NANOSECONDS` is refused, as
Kubernetes does with the CEL rules of a CRD. The weights are measured (benchmarks/cel.py) and rounded up.
"""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from trackpush_api.expressions.faults import InvalidExpressionError
from trackpush_api.expressions.tree import Call, Constant, Items, Loop, Member, Message, Name, Node
from trackpush_api.expressions.variables import VARIABLES, qualified

MOST_NANOSECONDS = 1_000_000
"""One millisecond, for the largest body that an expression may read."""

_STEP = 40
"""Nanoseconds for any node, without those for its operands."""
_CONVERSION = 250
"""Nanoseconds of ``timestamp()`` and similar functions, in addition to those for their bytes."""
_REGEX = 8_000
_REGEX_CHARACTER = 100
MOST_PATTERN = 100
"""Maximum characters of a regular expression."""
_CONTAINS = 16
"""Bytes that the simple search in a text compares at once."""
_DECIDES = frozenset(
    {"_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "_&&_", "_||_", "!_", "@in", "@not_strictly_false", "contains",
     "startsWith", "endsWith", "matches", "size"}
)  # fmt: skip
"""Functions whose result is a bool or a number for every argument."""
_ZONED = re.compile(r"get[A-Z][A-Za-z]+")
_ZONE = re.compile(r"UTC|[+-][0-9]{2}:[0-9]{2}")
_HEAVY = re.compile(r"\{[0-9]+,?[0-9]*\}|\\[pP]")
"""Counted repetitions and Unicode classes: a few characters that create an automaton with thousands of states."""


class Bound(NamedTuple):
    """The maximum nanoseconds so far, and the maximum size of the value: its bytes and its number of values."""

    time: int
    size: int
    values: int = 1


_FILTER_BOUNDS = {qualified(name): Bound(0, variable.size, variable.values) for name, variable in VARIABLES.items()}


def check_cost(tree: Node, bounds: Mapping[str, Bound] | None = None) -> int:
    """The maximum nanoseconds of the expression.

    Raises:
        InvalidExpressionError: it takes too long, or has no maximum.
    """
    scope = dict(_FILTER_BOUNDS if bounds is None else bounds)
    time = _of(tree, scope).time
    if time > MOST_NANOSECONDS:
        raise InvalidExpressionError(
            f"may take {time / 1e6:.1f} ms for one update, more than {MOST_NANOSECONDS / 1e6:.0f} ms;"
            " use fewer or smaller macros (all, exists) over raw, and none within another over raw"
        )
    return time


def reads(tree: Node, name: str) -> bool:
    """Whether the tree reads this variable."""
    return tree == Name(qualified(name)) or any(reads(child, name) for child in _children(tree))


def comparisons(tree: Node) -> Iterator[tuple[str, str]]:
    """Variables by their short names, and the literals with which they are compared (``==``, ``!=``, ``in``)."""
    if isinstance(tree, Call) and tree.function in {"_==_", "_!=_", "@in"} and len(tree.arguments) == 2:  # noqa: PLR2004  both sides
        for operand, other in (tree.arguments, tree.arguments[::-1]):
            name = operand.name.removeprefix(qualified("")) if isinstance(operand, Name) else ""
            nodes = other.items if isinstance(other, Items) else (other,)
            yield from ((name, text) for text in map(_literal, nodes) if name and text is not None)
    for child in _children(tree):
        yield from comparisons(child)


def searches(tree: Node) -> Iterator[tuple[str, str, str]]:
    """Variables by their short names, the method called on them, and its literal argument."""
    if isinstance(tree, Call) and len(tree.arguments) == 2 and isinstance(tree.arguments[0], Name):  # noqa: PLR2004
        text = _literal(tree.arguments[1])
        if text is not None:
            yield tree.arguments[0].name.removeprefix(qualified("")), tree.function, text
    for child in _children(tree):
        yield from searches(child)


def literals(tree: Node, function: str) -> Iterator[str]:
    """Literal texts that are the last argument of this function."""
    if isinstance(tree, Call) and tree.function == function and tree.arguments:
        text = _literal(tree.arguments[-1])
        if text is not None:
            yield text
    for child in _children(tree):
        yield from literals(child, function)


def _children(node: Node) -> tuple[Node, ...]:
    match node:
        case Member(operand):
            return (operand,)
        case Call(_, nodes) | Items(nodes):
            return nodes
        case Loop():
            return (node.over, node.start, *node.steps, node.result)
        case _:
            return ()


def _of(node: Node, scope: dict[str, Bound]) -> Bound:
    match node:
        case Constant(_, size):
            return Bound(_STEP, size)
        case Name(name):
            known = scope.get(name, Bound(0, 8))  # otherwise it is the name of a type
            return Bound(_STEP, known.size, known.values)
        case Member(operand):
            inner = _of(operand, scope)
            return Bound(inner.time + _STEP, inner.size, inner.values)
        case Items(nodes):
            parts = [_of(each, scope) for each in nodes]
            return Bound(_time(parts), 16 + _size(parts), 1 + sum(part.values for part in parts))
        case Call():
            return _call(node, [_of(each, scope) for each in node.arguments])
        case Loop():
            return _loop(node, scope)
        case Message(name):
            raise InvalidExpressionError(f"makes a {name}; use plain values, lists and maps")


def _loop(node: Loop, scope: dict[str, Bound]) -> Bound:
    if isinstance(node.start, Items):
        raise InvalidExpressionError("uses map() or filter(), which copy; use exists(), exists_one() or all()")
    over = _of(node.over, scope)
    rounds = max(over.values, 1)
    # The cost of a round grows at most linearly with its value, and all values together are the list.
    inner = scope | {
        node.variable: Bound(0, -(-over.size // rounds), -(-over.values // rounds)),
        node.accumulator: Bound(0, 8),
    }
    a_round = sum(_of(step, inner).time for step in node.steps)
    once = over.time + _of(node.start, inner).time + _of(node.result, inner).time
    return Bound(once + rounds * a_round, 8)


def _call(node: Call, given: list[Bound]) -> Bound:
    _refuse(node)
    function = node.function
    time = _time(given) + _work(node, given)
    if function in _DECIDES:
        return Bound(time, 8)
    if function == "_?_:_":
        return Bound(time, max(part.size for part in given), max(part.values for part in given))
    if function == "_[_]":
        return Bound(time, given[0].size, given[0].values)
    return Bound(time, 32 + _size(given), max((part.values for part in given), default=1))


def _work(node: Call, given: list[Bound]) -> int:
    """Nanoseconds of the call itself, in addition to a step."""
    sizes = [part.size for part in given]
    match node.function:
        case "_&&_" | "_||_" | "!_" | "_?_:_" | "@not_strictly_false" | "_[_]":
            return 0
        case "_==_" | "_!=_" | "_<_" | "_<=_" | "_>_" | "_>=_":
            return min(sizes) + _STEP * min(part.values for part in given)
        case "contains":
            return sum(sizes) + sizes[0] * sizes[1] // _CONTAINS
        case "matches":
            pattern = len(_literal(node.arguments[-1]) or "")
            return _REGEX + _REGEX_CHARACTER * pattern + sizes[0] * (1 + pattern // _CONTAINS)
        case function:
            own = _CONVERSION if function[0].isalpha() else 0
            return own + sum(sizes) + _STEP * sum(part.values for part in given)


def _refuse(node: Call) -> None:
    if node.function == "matches":
        _refuse_pattern(_literal(node.arguments[-1]))
    elif _ZONED.fullmatch(node.function) and len(node.arguments) > 1:
        zone = _literal(node.arguments[1])
        if zone is None or _ZONE.fullmatch(zone) is None:
            raise InvalidExpressionError(
                f"{node.function}() needs a zone written as an offset; write '+05:30' or 'UTC'"
            )


def _refuse_pattern(pattern: str | None) -> None:
    if pattern is None:
        raise InvalidExpressionError("the pattern of matches() comes from a variable; write it as a literal text")
    if len(pattern) > MOST_PATTERN:
        raise InvalidExpressionError(
            f"the pattern of matches() has {len(pattern)} characters; use at most {MOST_PATTERN}"
        )
    heavy = _HEAVY.search(pattern)
    if heavy is not None:
        raise InvalidExpressionError(
            f"the pattern of matches() has {heavy[0]}, which makes it slow; write it without counts and Unicode classes"
        )


def _literal(node: Node) -> str | None:
    return node.text if isinstance(node, Constant) else None


def _time(parts: list[Bound]) -> int:
    return _STEP + sum(part.time for part in parts)


def _size(parts: list[Bound]) -> int:
    return sum(part.size for part in parts)
