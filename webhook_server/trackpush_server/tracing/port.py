"""The receiver's and the pusher's port to tracing. None instead of a `Tracing` means "off".

A trace is passed on as a W3C ``traceparent``: the journal stores it and clients get it.
"""

import asyncio
from contextlib import AbstractContextManager
from typing import Protocol

import msgspec

from trackpush_server.outbound.port import Answer


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """A request's updates before they are stored."""

    traceparent: str | None
    """The aggregator's own header, unchanged and not trusted."""
    received_at: float
    """Time of receipt, in seconds since the epoch."""
    aggregator: str
    account: str
    updates: int


class Sending(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt before its start."""

    trace: str | None
    """The trace that the journal stored with the update; None if tracing was off then."""
    url: str
    push_config: str
    account: str
    push_id: str
    tries: int
    """Number of attempts before this one."""


class TracedAttempt(Protocol):
    """The span of an attempt in progress."""

    traceparent: str
    """The header for the client's server."""

    def ended(self, answer: asyncio.Future[Answer]) -> None: ...


class Tracing(Protocol):
    """Creates spans. Cheap, never raises, never waits: spans that can't be exported in time are dropped."""

    def receive(self, receipt: Receipt) -> AbstractContextManager[str]:
        """The span of a request around its commit; yields its ``traceparent``."""
        ...

    def send(self, sending: Sending) -> TracedAttempt: ...

    async def close(self) -> None:
        """Export the remaining spans, within a few seconds."""
        ...
