"""Structured logs on stderr, for server and operator: one line per state change, UTC, stable event names.

Code must not log a body, a key, a header or a phone number. `redact` is the second line of defence, in case that
somebody adds such a log line later. There is one list of forbidden names for all processes.
"""

import contextlib
import logging
import re
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from trackpush_api.printable import printable_event
from trackpush_api.tracebacks import with_traceback
from trackpush_runtime.log_throttle import LogThrottle

LogFormat = Literal["console", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]

_FORBIDDEN = re.compile(
    r"body|payload|key|token|secret|hash|password|authorization|cookie|header|phone|mobile|email|address_line|data",
    re.IGNORECASE,
)
_REDACTED = "[redacted]"
_FRAMES = 6


def redact(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Replace the values of fields that must not be logged."""
    for name in event:
        if _FORBIDDEN.search(name):
            event[name] = _REDACTED
    return event


def where(error: BaseException) -> str:
    """The last code positions of a traceback, without any value.

    ``intake.py:41 in _new_update < handler.py:97 in _take``.
    """
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    return " < ".join(f"{Path(frame.filename).name}:{frame.lineno} in {frame.name}" for frame in reversed(frames))


def configure(
    log_format: LogFormat | None = None,
    stream: TextIO | None = None,
    *,
    level: LogLevel = "debug",
    fields: Mapping[str, object] | None = None,
) -> None:
    """Set up logging for the process. The default format is console on a terminal, otherwise JSON.

    Each line contains ``fields``.
    """
    out = stream or sys.stderr
    chosen = log_format or ("console" if out.isatty() else "json")
    structlog.configure(
        processors=[
            *([] if fields is None else [_adding(fields)]),
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            redact,
            with_traceback,
            *_renderers(chosen, colors=out.isatty()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: _Lines(out),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers[:] = [_Bridge()]
    root.setLevel(logging.WARNING)
    logging.getLogger("aiohttp.access").disabled = True


def _adding(fields: Mapping[str, object]) -> Processor:
    def add(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        return {**event, **fields}

    return add


def _renderers(chosen: str, *, colors: bool) -> tuple[Processor, ...]:
    if chosen == "json":
        return (structlog.processors.JSONRenderer(default=str),)
    return (printable_event, structlog.dev.ConsoleRenderer(colors=colors, timestamp_key="time"))


class _Lines(structlog.PrintLogger):
    """Writes lines. A line that can't be written (full disk, closed pipe) is lost, without an error."""

    def msg(self, message: str) -> None:
        """Write one line."""
        with contextlib.suppress(OSError):
            super().msg(message)

    debug = info = warning = error = critical = exception = msg


class _Bridge(logging.Handler):
    """Logs libraries' warnings as structured lines with library and place.

    Their texts are not logged, because they may contain parts of a request.
    """

    def __init__(self) -> None:
        super().__init__()
        self._throttle = LogThrottle()

    def emit(self, record: logging.LogRecord) -> None:
        held_back = self._throttle.allow(f"{record.name} {record.filename}:{record.lineno}")
        if held_back is None:
            return
        error = record.exc_info[1] if record.exc_info else None
        structlog.get_logger("library").warning(
            "library_warning",
            library=record.name,
            at=f"{record.filename}:{record.lineno}" if error is None else where(error),
            error=None if error is None else type(error).__name__,
            text=record.msg if isinstance(record.msg, str) else None,
            held_back=held_back,
        )
