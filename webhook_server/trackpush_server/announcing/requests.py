"""The request that carries a message: its destination for the transport, and its own headers. Pure."""

from typing import Final

from trackpush_api.routing import AnnouncementTarget, Destination
from trackpush_server.pusher import render

TEST_LINE: Final = b"trackpush-test: 1\r\n"
"""Marks a test message in every format, as it marks a test push."""
TIMEOUT: Final = 10.0
"""Time limit of an attempt in seconds."""


def destination_of(target: AnnouncementTarget) -> Destination:
    """The target in the form that the transport uses, with the same egress rules and header checks as a PushConfig."""
    return Destination(
        name=target.name,
        url=target.url,
        headers=target.headers,
        signing=target.signing,
        timeout=TIMEOUT,
        max_concurrency=1,
    )


def header_lines(target: AnnouncementTarget, identity: str, body: bytes, now: float, *, test: bool = False) -> bytes:
    """The headers of one attempt, as Standard Webhooks 1.0 defines them; ``now`` in seconds since the epoch."""
    lines = render.headers(identity, int(now), body, render.signing_keys(target.signing))
    return lines + TEST_LINE if test else lines
