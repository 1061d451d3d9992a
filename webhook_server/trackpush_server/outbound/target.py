"""Parses the target of a destination for the transport: an unusable URL denies the attempt."""

from trackpush_api.target import InvalidUrlError, Target, read_url
from trackpush_server.outbound.failures import denied

__all__ = ["Target", "parse_target"]


def parse_target(url: str) -> Target:
    """Read a URL by the rules that the compiler applies, too.

    Raises:
        AttemptError: DENIED, with what to change.
    """
    try:
        return read_url(url)
    except InvalidUrlError as error:
        raise denied(str(error)) from error
