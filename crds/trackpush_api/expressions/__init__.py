"""CEL expressions of filters: their variables, cost, compilation and evaluation. No I/O."""

from trackpush_api.expressions.expression import Expression, compile_expression
from trackpush_api.expressions.faults import EvaluationError, InvalidExpressionError

__all__ = ["EvaluationError", "Expression", "InvalidExpressionError", "compile_expression"]
