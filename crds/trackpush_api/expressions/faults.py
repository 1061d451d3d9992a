"""What can go wrong with an expression: when it is written, and when it meets an update."""


class InvalidExpressionError(Exception):
    """The expression can't be used; the message says where and what to do, for the one who wrote it."""


class EvaluationError(Exception):
    """The expression gives no answer for an update.

    The message is one of a few fixed texts, or names a type: never anything of the update, so it may be logged.
    """
