"""Metrics and log lines of the spool's reader."""

import structlog
from prometheus_client import CollectorRegistry, Counter

from trackpush_runtime.log_throttle import LogThrottle

_log = structlog.get_logger("trackpush.spool")


class SpoolTelemetry:
    """What was read in, and what could not be."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._read_in = Counter(
            "trackpush_spool_read_in",
            "Requests that a standby answered and this server has stored in the journal.",
            registry=registry,
        )
        self._rejected = Counter(
            "trackpush_spool_rejected",
            "Spooled requests that could not be read in; they are in the file spool/rejected.",
            registry=registry,
        )
        self._throttle = LogThrottle()
        self._once_a_minute = LogThrottle(most=1, per=60.0)

    def read_in(self, requests: int) -> None:
        """Requests of the spool are in the journal."""
        self._read_in.inc(requests)

    def rejected(self, reason: str) -> None:
        """A line was kept aside; the reason quotes nothing of it."""
        self._rejected.inc()
        held_back = self._throttle.allow("rejected")
        if held_back is not None:
            _log.error("spool_rejected", reason=reason, kept_in="spool/rejected", held_back=held_back)

    def waits(self, reason: str) -> None:
        """The spool can't be read in now; it is tried again."""
        held_back = self._once_a_minute.allow("waits")
        if held_back is not None:
            _log.warning("spool_waits", reason=reason, held_back=held_back)
