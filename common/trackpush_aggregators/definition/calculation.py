"""CEL expressions of a definition. They see the body and the elements of the steps, within a bound.

An expression that has no result for a body (a missing member, another type) gives nothing, as a missing path does.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from trackpush_aggregators.definition.faults import InvalidPartError
from trackpush_aggregators.definition.paths import Scope, written
from trackpush_api.expressions import EvaluationError, InvalidExpressionError
from trackpush_api.expressions.over_bodies import MOST_BYTES, MOST_VALUES, BodyExpression

_LONGEST_TEXT: Final = 1024
"""Characters of a text that an expression sees: the rest of a picture says nothing."""
_MOST_NANOSECONDS: Final = 2_000_000
"""Of all expressions of a definition together, for one update."""
_LARGEST: Final = 2**63


class Calculations:
    """The expressions of one definition."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)
        self._left = _MOST_NANOSECONDS

    def text(self, expression: str) -> Callable[[Scope], str | None]:
        """A function that reads the result of an expression as text.

        Raises:
            InvalidPartError: the expression is wrong, or costs too much together with the others.
        """
        compiled = self._compiled(expression)
        read = [number for number, name in enumerate(self._names) if name in compiled.reads]

        def calculated(scope: Scope) -> str | None:
            try:
                given = {self._names[number]: bounded(scope[number]) for number in read}
                return _result(compiled.value(given))
            except (EvaluationError, _TooLargeError):
                return None

        return calculated

    def _compiled(self, expression: str) -> BodyExpression:
        try:
            compiled = BodyExpression(expression, self._names)
        except InvalidExpressionError as error:
            raise InvalidPartError(str(error), ".cel") from None
        self._left -= compiled.most_nanoseconds
        if self._left < 0:
            raise InvalidPartError(
                f"all expressions together may take more than {_MOST_NANOSECONDS / 1e6:.0f} ms for one update;"
                " use paths where a path is enough",
                ".cel",
            )
        return compiled


def _result(value: Any) -> str | None:
    return value.isoformat() if isinstance(value, datetime) else written(value)


class _TooLargeError(Exception):
    """The value is larger than the cost of an expression was computed for."""


def bounded(value: Any) -> Any:
    """A copy that CEL can read: long texts cut, numbers as CEL has them.

    Raises:
        _TooLargeError: it is too large.
    """
    return _Copy().of(value)


class _Copy:
    def __init__(self) -> None:
        self._bytes = MOST_BYTES
        self._values = MOST_VALUES

    def of(self, value: Any) -> Any:
        self._values -= 1
        if self._values < 0:
            raise _TooLargeError
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, dict):
            return {self._text(name): self.of(member) for name, member in value.items()}
        if isinstance(value, list):
            return [self.of(element) for element in value]
        if isinstance(value, Decimal):
            return float(value)
        if isinstance(value, int) and not -_LARGEST <= value < _LARGEST:
            return float(value)
        return value

    def _text(self, value: str) -> str:
        cut = value[:_LONGEST_TEXT]
        self._bytes -= 4 * len(cut)
        if self._bytes < 0:
            raise _TooLargeError
        return cut
