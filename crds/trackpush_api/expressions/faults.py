"""Errors of expressions: at compilation and at evaluation."""


class InvalidExpressionError(Exception):
    """The expression is invalid; the message says where and what to do, for its author."""


class EvaluationError(Exception):
    """The expression has no result for an update.

    The message is one of a few fixed texts, or names a type; it quotes nothing of the update, so it may be logged.
    """
