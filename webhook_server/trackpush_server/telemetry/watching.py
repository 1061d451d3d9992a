"""Passes the dispatcher's events to the metrics, the charts and the live tail.

Implements `trackpush_server.pusher.observer.PushObserver`.
"""

from collections.abc import Sequence

from trackpush_server.journal.model import Committed, Outcome
from trackpush_server.telemetry.push import PushTelemetry
from trackpush_server.telemetry.rollups import RollupCounts
from trackpush_server.telemetry.tail import Tail
from trackpush_server.telemetry.windows import Windows

_ACCEPTED = "2xx"


class Watching:
    """Passes every event to several observers."""

    def __init__(self, push: PushTelemetry, windows: Windows, tail: Tail, rollups: RollupCounts) -> None:
        self._push = push
        self._windows = windows
        self._tail = tail
        self._rollups = rollups

    def committed(self, committed: Sequence[Committed]) -> None:
        self._windows.received(len(committed))
        self._tail.committed(committed)
        self._rollups.committed(committed)

    def attempted(self, push_config: str, result: str, seconds: float, trace: str | None = None) -> None:
        self._push.attempted(push_config, result, seconds, trace)
        self._windows.attempted(push_config, seconds, failed=result != _ACCEPTED)
        if result != _ACCEPTED:
            self._rollups.failed(push_config)

    def ended(self, push_config: str, state: str, age_seconds: float, trace: str | None = None) -> None:
        self._push.ended(push_config, state, age_seconds, trace)
        self._windows.ended(push_config, state)
        self._rollups.ended(push_config, state)

    def expired(self, push_config: str, number: int) -> None:
        self._rollups.ended(push_config, "dead", number)

    def recorded(self, key: bytes, shipment: str, outcome: Outcome) -> None:
        self._tail.recorded(key, shipment, outcome)

    def failed(self, push_config: str, push_id: str, *, tries: int, reason: str, next_in: float | None) -> None:
        self._push.failed(push_config, push_id, tries=tries, reason=reason, next_in=next_in)

    def changed(self, push_config: str, state: str, reason: str) -> None:
        self._push.changed(push_config, state, reason)
