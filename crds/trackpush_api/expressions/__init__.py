"""CEL expressions of filters: what they see, what they may cost, compiled once, evaluated per update. No I/O."""

from trackpush_api.expressions.expression import Expression, compile_expression
from trackpush_api.expressions.faults import EvaluationError, InvalidExpressionError

__all__ = ["EvaluationError", "Expression", "InvalidExpressionError", "compile_expression"]
