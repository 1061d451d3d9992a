"""Metrics and log lines about receiving processes; only with `--receivers`."""

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

_log = structlog.get_logger("trackpush.receiving")


class ReceiversTelemetry:
    """Number of processes that accept requests, and number of restarts."""

    def __init__(self, registry: CollectorRegistry, *, receivers: int) -> None:
        Gauge("trackpush_receivers", "Configured number of receiving processes.", registry=registry).set(receivers)
        self.accepting = Gauge(
            "trackpush_receivers_accepting", "Receiving processes that accept requests.", registry=registry
        )
        self._restarts = Counter(
            "trackpush_receiver_restarts", "Number of restarts of receiving processes.", registry=registry
        )

    def started(self, index: int, pid: int | None) -> None:
        _log.info("receiver_started", receiver=index, pid=pid)

    def ended(self, index: int, reason: str, next_in: float) -> None:
        """Log that a process ended unexpectedly or can't be started."""
        self._restarts.inc()
        _log.error("receiver_ended", receiver=index, reason=reason, next_in=next_in)

    def hangs(self, index: int, reason: str) -> None:
        _log.error("receiver_hangs", receiver=index, reason=f"{reason}; the main process kills it and starts it again")
