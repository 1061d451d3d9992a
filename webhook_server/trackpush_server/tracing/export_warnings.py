"""Logs OpenTelemetry's warnings at most once a minute.

A collector that is down for hours must not fill the log.
"""

import logging

import structlog

from trackpush_runtime.log_throttle import LogThrottle

_log = structlog.get_logger("trackpush.tracing")


class ExportWarnings(logging.Handler):
    """Replaces the log lines of OpenTelemetry."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._throttle = LogThrottle(most=1, per=60.0)

    def emit(self, record: logging.LogRecord) -> None:
        """Log the record, throttled and without its values."""
        held_back = self._throttle.allow("")
        if held_back is not None:
            _log.warning(
                "traces_not_exported",
                reason="the collector is unreachable, refuses spans or is too slow: check OTEL_EXPORTER_OTLP_ENDPOINT;"
                " spans are dropped, updates are not affected",
                text=record.msg if isinstance(record.msg, str) else None,
                held_back=held_back,
            )


def take_over() -> None:
    """Throttle OpenTelemetry's warnings in this process from now on."""
    logger = logging.getLogger("opentelemetry")
    logger.handlers[:] = [ExportWarnings()]
    logger.propagate = False
