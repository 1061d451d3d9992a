"""Reasons to reject a request body."""


class MalformedBodyError(ValueError):
    """The body is not JSON, or contains no object.

    The message says what was found and where, for the aggregator's own log. It never echoes the body, which may hold
    personal data and keys.
    """


class TooManyUpdatesError(Exception):
    """The body reports more updates than one body may; ``most`` says how many that is."""

    def __init__(self, most: int) -> None:
        super().__init__(f"more than {most} updates")
        self.most = most
