"""Errors that prevent a start."""


class CannotStartError(Exception):
    """The process can't start. The message says who, what was found and what to do; one line per problem."""


class UnusableDataError(CannotStartError):
    """The journal's folder can't be used, or another server uses it."""
