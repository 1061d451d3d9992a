"""Structured logs on stderr: one line per state change, UTC, stable event names. Never a Secret's value.

The field `exception` of an unexpected error is its traceback without any value, see `trackpush_api.tracebacks`.

Events (the field ``event``): ``lease_acquired`` · ``lease_lost`` · ``waiting_for_lease`` · ``waiting_for_kinds`` ·
``kinds_missing`` · ``namespaces_not_watched`` · ``namespace_not_readable`` · ``listed_again`` ·
``default_server_applied`` ·
``default_server_refused`` · ``synced`` · ``resync_failed`` · ``watch_restarted`` · ``missed_changes`` ·
``work_failed`` · ``shard_broken`` · ``event_not_written`` · ``handler_failed`` ·
``library_warning`` · ``stopped``.
"""

import contextlib
import logging
import re
import sys
import traceback
from pathlib import Path
from typing import Literal, TextIO

import structlog
from structlog.typing import EventDict, WrappedLogger

from trackpush_api.printable import printable_event
from trackpush_api.tracebacks import with_traceback

LogFormat = Literal["console", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]

_FORBIDDEN = re.compile(r"body|payload|key|token|secret|hash|password|authorization|header|data", re.IGNORECASE)
_FRAMES = 6


def redact(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Replace the values of fields that must not be logged: the second net, each line is written without them."""
    for name in event:
        if _FORBIDDEN.search(name):
            event[name] = "[redacted]"
    return event


def where(error: BaseException) -> str:
    """The last places of a traceback, without any value."""
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    return " < ".join(f"{Path(frame.filename).name}:{frame.lineno} in {frame.name}" for frame in reversed(frames))


def configure(log_format: LogFormat | None = None, stream: TextIO | None = None, *, level: LogLevel = "info") -> None:
    """Set up logging for the process; without a format, console on a terminal and JSON elsewhere."""
    out = stream or sys.stderr
    chosen = log_format or ("console" if out.isatty() else "json")
    renderers = (
        (structlog.processors.JSONRenderer(default=str),)
        if chosen == "json"
        else (printable_event, structlog.dev.ConsoleRenderer(colors=out.isatty(), timestamp_key="time"))
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            redact,
            with_traceback,
            *renderers,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: _Lines(out),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers[:] = [_Bridge()]
    root.setLevel(logging.WARNING)
    logging.getLogger("aiohttp.access").disabled = True


class _Lines(structlog.PrintLogger):
    """Writes lines. One that can't be written (a full disk, a reader that is gone) must stop nothing, so it is lost."""

    def msg(self, message: str) -> None:
        """One line."""
        with contextlib.suppress(OSError):
            super().msg(message)

    debug = info = warning = error = critical = exception = msg


class _Bridge(logging.Handler):
    """Log libraries' warnings by category and place only: their text can contain an object's values."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        structlog.get_logger("library").warning(
            "library_warning",
            library=record.name,
            at=f"{record.filename}:{record.lineno}" if error is None else where(error),
            error=None if error is None else type(error).__name__,
        )
