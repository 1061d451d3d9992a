"""A compiled expression: its variables are checked, its cost is limited, and it is evaluated for each update."""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from cel_expr_python import cel

from trackpush_api.expressions.cost import check_cost, comparisons, literals, reads, searches
from trackpush_api.expressions.faults import EvaluationError, InvalidExpressionError
from trackpush_api.expressions.tree import Node, read_tree
from trackpush_api.expressions.variables import CONTAINER, RAW, VARIABLES, ValueKind, qualified

_REMEMBERED = 20_000
"""Number of compiled expressions that a process keeps; each takes a few kilobytes."""
_TYPES = {
    ValueKind.TEXT: cel.Type.STRING,
    ValueKind.BOOL: cel.Type.BOOL,
    ValueKind.TIMESTAMP: cel.Type.TIMESTAMP,
    ValueKind.INTEGER: cel.Type.INT,
    ValueKind.TEXTS: cel.Type.List(cel.Type.STRING),
    ValueKind.DYNAMIC: cel.Type.DYN,
}
_ENVIRONMENT = cel.NewEnv(
    variables={qualified(name): _TYPES[variable.kind] for name, variable in VARIABLES.items()}, container=CONTAINER
)
_LITERALS = {
    name: cel.NewEnv(variables={"text": cel.Type.STRING}).compile(call)
    for name, call in (
        ("matches", "''.matches(text)"),
        ("duration", "duration(text) == duration(text)"),
        ("timestamp", "timestamp(text) == timestamp(text)"),
    )
}
"""Functions that fail for some texts, whatever the update is. Their literal arguments are checked at compile time."""
_WANTED = {
    "matches": "a regular expression of RE2",
    "duration": "a duration, such as 24h or 1h30m",
    "timestamp": "a time, such as 2026-01-31T00:00:00Z",
}
_PLACE = re.compile(r"ERROR: <input>:(?P<line>-?\d+):(?P<column>-?\d+): (?P<what>[^\n]*)")
_UNDECLARED = re.compile(r"undeclared reference to '(?P<name>[^']*)'")
_FUNCTIONS = (
    *("all", "bool", "contains", "double", "duration", "endsWith", "exists", "exists_one", "has", "int"),
    *("matches", "size", "startsWith", "string", "timestamp", "uint"),
)
_SYNTAX = (
    (r"token recognition error at: '= ?'", "one = too few or too many; write == to compare"),
    (r"token recognition error at: '['\"]", "a quote opens here and is not closed; close it"),
    (r"input 'and'", "and is not an operator of CEL; write &&"),
    (r"input 'or'", "or is not an operator of CEL; write ||"),
    (r"input 'not'", "not is not an operator of CEL; write !"),
)
"""The runtime's syntax errors, in words for the author of an expression."""
_CODES = {
    "NOT_FOUND": "a key is missing; check with has() first",
    "INVALID_ARGUMENT": "a value has another type or form than the expression expects",
    "INTERNAL": "the runtime's limit of iterations was reached",
    "UNKNOWN": "a value is missing, or has another type than the expression expects",
}
"""The runtime's error codes in our words. Its messages may quote the update, so they are not passed on."""
_UNKNOWN = "a value is not what the expression expects"
_CODE = re.compile(r"[A-Z_]+")


class Expression:
    """A CEL expression with a bool result. Immutable, and shared by all filters with the same text."""

    __slots__ = ("_program", "comparisons", "most_nanoseconds", "reads_raw", "searches", "text")

    def __init__(self, text: str) -> None:
        """Compile the text.

        Raises:
            InvalidExpressionError: a wrong syntax, name or type, or too high a cost.
        """
        self.text = text
        try:
            self._program = _ENVIRONMENT.compile(text)
        except RuntimeError as error:
            raise InvalidExpressionError(explained(str(error), VARIABLES)) from None
        result = self._program.return_type()
        if result not in (cel.Type.BOOL, cel.Type.DYN):
            raise InvalidExpressionError(
                f"has the type {result.name().lower()}, but must have the type bool; add a comparison, such as =="
            )
        tree = read_tree(self._program.serialize())
        self.reads_raw = reads(tree, RAW)
        """Whether the variable ``raw`` is needed."""
        self.most_nanoseconds = check_cost(tree)
        """Maximum time of one evaluation."""
        self.comparisons = tuple(comparisons(tree))
        """Variables and the literal texts with which they are compared."""
        self.searches = tuple(searches(tree))
        """Variables, the methods called on them, and the literal arguments."""
        check_literals(tree)

    def holds(self, variables: Mapping[str, Any]) -> bool:
        """Whether the expression is true for these variables, by their qualified names.

        Raises:
            EvaluationError: the expression has no result, or one that is not a bool.
        """
        answer, value = evaluated(self._program, variables)
        if value is True or value is False:
            return value
        raise EvaluationError(f"the result is {answer.type().name().lower()}, not bool")


def evaluated(program: Any, variables: Mapping[str, Any]) -> tuple[Any, Any]:
    """The runtime's answer for these variables, by their qualified names, and the value in it.

    Raises:
        EvaluationError: the program has no result.
    """
    try:
        answer = program.eval(data=variables)
        value = answer.value()
    except Exception as error:  # noqa: BLE001  the runtime raises RuntimeError, and others for values it can't hold
        raise EvaluationError(_meaning_of_failure(str(error))) from None
    if not isinstance(value, bool) and answer.type() == cel.Type.ERROR:
        raise EvaluationError(_meaning_of_failure(str(value)))
    return answer, value


@lru_cache(maxsize=_REMEMBERED)
def compile_expression(text: str) -> Expression:
    """The expression of this text, compiled once per process.

    Raises:
        InvalidExpressionError: see `Expression`.
    """
    return Expression(text)


def check_literals(tree: Node) -> None:
    """Check the literal arguments of functions that fail for some texts.

    Raises:
        InvalidExpressionError: a function fails for its literal.
    """
    for function in _LITERALS:
        for literal in literals(tree, function):
            _check_literal(function, literal)


def _check_literal(function: str, text: str) -> None:
    try:
        answer = _LITERALS[function].eval(data={"text": text})
        wrong = str(answer.value()) if answer.type() == cel.Type.ERROR else None
    except Exception as error:  # noqa: BLE001  the runtime raises RuntimeError, and others for values it can't hold
        wrong = str(error)
    if wrong is not None:
        what = wrong.partition("invalid regular expression: ")[2].partition(": ")[0]
        why = f" ({what})" if what else ""
        raise InvalidExpressionError(f"{function}({text!r}): the text is not {_WANTED[function]}{why}; correct it")


def explained(message: str, names: Iterable[str]) -> str:
    """The first of the runtime's errors: its place, the fault and the advice."""
    found = _PLACE.search(message)
    if found is None or int(found["line"]) < 1:
        if "recursion" in message:
            return "is nested more than 32 deep; use fewer parentheses and operators, or `in` instead of many ||"
        return f"{message.splitlines()[0]}; correct it"
    what = found["what"].removesuffix(" [INVALID_ARGUMENT]").replace(f" (in container '{CONTAINER}')", "")
    what = what.partition(" expecting {")[0]  # the list of all expected tokens is of no help
    place = f"line {found['line']}, column {found['column']}"
    undeclared = _UNDECLARED.search(what)
    if undeclared is not None and _is_called(message, found):
        return f"{place}: there is no function {undeclared['name']}; {_functions_like(undeclared['name'])}"
    if undeclared is not None:
        return f"{place}: {what}; {_alternatives(undeclared['name'], list(names))}"
    for pattern, words in _SYNTAX:
        if re.search(pattern, what):
            return f"{place}: {words}"
    return f"{place}: {what}; correct it"


def _is_called(message: str, found: re.Match[str]) -> bool:
    """Whether an error is at the parenthesis of a call: the runtime quotes the line below its message."""
    quoted = message[found.end() :].lstrip("\n").partition("\n")[0].removeprefix(" | ")
    column = int(found["column"]) - 1
    return quoted[column : column + 1] == "("


def _functions_like(name: str) -> str:
    near = difflib.get_close_matches(name, _FUNCTIONS, n=1)
    return f"did you mean {near[0]}?" if near else f"use {', '.join(_FUNCTIONS)}"


def _alternatives(name: str, names: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {near[0]}?" if near else f"the variables are {', '.join(names)}"


def _meaning_of_failure(message: str) -> str:
    """The runtime's message in words that quote nothing of an update."""
    code = _CODE.match(message)
    return _CODES.get(code[0], _UNKNOWN) if code else _UNKNOWN
