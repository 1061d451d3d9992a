"""One exchange: a request and the future of its response."""

import asyncio
from typing import Protocol

from trackpush_server.outbound.failures import AttemptError
from trackpush_server.outbound.port import Answer, Failure


class Progress(Protocol):
    """The progress of a connection attempt for an exchange."""

    stage: str
    """The current step, for the message of a time-out."""
    deadline: float
    """Time of the event loop at which the requester gives up."""


class Exchange:
    """Passed from the sender to the pool and to a connection; settled once. Times are the event loop's."""

    __slots__ = ("deadline", "future", "request", "stage", "started")

    def __init__(self, request: bytes, future: asyncio.Future[Answer]) -> None:
        self.request = request
        self.future = future
        self.started = 0.0
        self.deadline = 0.0
        self.stage = "waiting for a connection"

    def settle(self, answer: Answer) -> None:
        """Resolve the future, unless it was cancelled."""
        if not self.future.done():
            self.future.set_result(answer)

    def fail(self, failure: Failure, detail: str, now: float) -> None:
        self.settle(Answer(failure=failure, detail=detail, duration=now - self.started))

    def refuse(self, error: AttemptError, now: float) -> None:
        """Settle with the reason why no connection could be opened."""
        self.settle(
            Answer(
                failure=error.failure,
                detail=error.detail,
                duration=now - self.started,
                is_permanent=error.is_permanent,
            )
        )

    def settle_reset(self, detail: str) -> None:
        self.settle(Answer(failure=Failure.RESET, detail=detail))

    def time_out(self, now: float) -> None:
        """Settle with a time-out, and the step in which it occurred."""
        seconds = self.deadline - self.started
        self.fail(Failure.TIMEOUT, f"time-out of {seconds:g} s while {self.stage}", now)
