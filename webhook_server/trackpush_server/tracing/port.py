"""What the receiver and the pusher need of tracing. None stands for "off" wherever a `Tracing` may be.

A trace is handed on as the text of a W3C ``traceparent``: that is what the journal keeps and what clients get.
"""

import asyncio
from contextlib import AbstractContextManager
from typing import Protocol

import msgspec

from trackpush_server.outbound.port import Answer


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """Updates that are about to be stored."""

    traceparent: str | None
    """The aggregator's own, as it came; it is not trusted."""
    received_at: float
    """When they were read; seconds since the epoch."""
    aggregator: str
    account: str
    updates: int


class Sending(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt that is about to start."""

    trace: str | None
    """What the journal kept of the receipt; None for what was stored while tracing was off."""
    url: str
    push_config: str
    account: str
    push_id: str
    tries: int
    """Attempts before this one."""


class Attempt(Protocol):
    """A span of an attempt under way."""

    traceparent: str
    """For the client's server."""

    def ended(self, answer: asyncio.Future[Answer]) -> None: ...


class Tracing(Protocol):
    """Makes spans. Cheap, never raises, never waits: what can't be exported in time is dropped."""

    def receive(self, receipt: Receipt) -> AbstractContextManager[str]:
        """The span of a request, around its commit; gives its ``traceparent``."""
        ...

    def send(self, sending: Sending) -> Attempt: ...

    async def close(self) -> None:
        """Export what is left, within a few seconds."""
        ...
