"""What a request body can be rejected for."""


class MalformedBodyError(ValueError):
    """The body is no JSON, or JSON that holds no object.

    The message says what was found and where, for the aggregator's own log. It never echoes the body, which may hold
    personal data and keys.
    """
