"""Expressions over the body of a request, which compute a value of an AggregatorDefinition."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from cel_expr_python import cel

from trackpush_api.expressions.cost import Bound, check_cost, reads
from trackpush_api.expressions.expression import check_literals, evaluated, explained
from trackpush_api.expressions.faults import InvalidExpressionError
from trackpush_api.expressions.tree import read_tree
from trackpush_api.expressions.variables import CONTAINER, RAW_BYTES, RAW_VALUES, qualified

MOST_BYTES: Final = RAW_BYTES
MOST_VALUES: Final = RAW_VALUES
"""Limits of the value of one variable, from which the cost of an expression is computed."""


class BodyExpression:
    """A CEL expression whose variables are JSON values. Immutable."""

    def __init__(self, text: str, names: Sequence[str]) -> None:
        """Compile it; ``names`` are the variables.

        Raises:
            InvalidExpressionError: the syntax, a name, a type, or the cost.
        """
        variables = {qualified(name): cel.Type.DYN for name in names}
        try:
            self._program = cel.NewEnv(variables=variables, container=CONTAINER).compile(text)
        except RuntimeError as error:
            raise InvalidExpressionError(explained(str(error), names)) from None
        tree = read_tree(self._program.serialize())
        bounds = {qualified(name): Bound(0, MOST_BYTES, MOST_VALUES) for name in names}
        check_literals(tree)
        self.most_nanoseconds = check_cost(tree, bounds)
        """Upper bound of one evaluation."""
        self.reads = frozenset(name for name in names if reads(tree, name))
        """The variables that have to be bound."""

    def value(self, variables: Mapping[str, Any]) -> Any:
        """The result for these variables, by their names.

        Raises:
            EvaluationError: the expression has no result.
        """
        return evaluated(self._program, {qualified(name): value for name, value in variables.items()})[1]
