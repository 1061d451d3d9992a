"""Errors that prevent a start."""


class CannotStartError(Exception):
    """The message says who, what was found and what to do; one problem a line."""


class UnusableDataError(CannotStartError):
    """The journal's folder can't be used, or another server uses it."""
