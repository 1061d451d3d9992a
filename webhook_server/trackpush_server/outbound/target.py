"""Parses the target of a destination for the transport. An unusable URL denies the attempt."""

from trackpush_api.target import InvalidUrlError, Target, read_url
from trackpush_server.outbound.failures import denied

__all__ = ["Target", "parse_target"]


def parse_target(url: str) -> Target:
    """Parse a URL by the same rules as the compiler.

    Raises:
        AttemptError: DENIED; the detail says what to change.
    """
    try:
        return read_url(url)
    except InvalidUrlError as error:
        raise denied(str(error)) from error
