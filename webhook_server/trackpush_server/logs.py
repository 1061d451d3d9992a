"""Structured logs on stderr: one line per state change, UTC, stable event names.

Nothing that is logged holds a body, a key, a header or a phone number. Each line is written so; `redact` is the second
net, for the line that somebody adds later. The field `exception` of an unexpected error is its traceback without any
value, see `trackpush_api.tracebacks`.

Events (the field ``event``): ``waiting_for_settings`` · ``listening`` · ``draining`` · ``stopped`` ·
``routing_table_loaded`` · ``routing_table_refused`` · ``routing_parts_refused`` · ``routing_table_repaired`` ·
``journal_unavailable`` · ``journal_available`` · ``journal_not_safe`` · ``journal_lost_commits`` ·
``journal_lock_restored`` · ``journal_log_incomplete`` ·
``configuration_warnings`` · ``resources_polled`` ·
``journal_clock_differs`` · ``storage_refused`` · ``journal_housekeeping_failed`` ·
``journal_news_failed`` · ``journal_news_interrupted`` · ``retention_failed`` · ``retention_caught_up`` ·
``replica_registered`` · ``replica_dead`` · ``slots_taken_over`` · ``slots_claimed`` · ``slots_confirmed`` ·
``slots_handed_over`` · ``slots_lost`` · ``leases_failed`` · ``leases_cannot_reach_database`` ·
``leases_run_out_by_themselves`` · ``leases_differ`` ·
``receiver_started`` · ``receiver_ended`` · ``receiver_hangs`` · ``receiver_failed`` ·
``request_unauthorized`` · ``request_postponed`` · ``request_failed`` · ``connection_refused`` ·
``body_unrecognised`` · ``body_malformed`` · ``inbox_full`` ·
``filter_expression_failed`` · ``push_attempt_failed`` · ``push_dead`` · ``endpoint_state_changed`` ·
``token_renewal_failed`` · ``admin_token_refused`` · ``login`` · ``login_refused`` · ``traces_not_exported`` ·
``namespace_replaced`` · ``namespace_took_over`` · ``library_warning`` · ``task_failed``.
``held_back`` is the number of similar lines that were suppressed before this one.
"""

import asyncio
import contextlib
import logging
import re
import sys
import traceback
from pathlib import Path
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from trackpush_api.printable import printable_event
from trackpush_api.tracebacks import with_traceback
from trackpush_server.log_throttle import LogThrottle

LogFormat = Literal["console", "json"]

_FORBIDDEN = re.compile(
    r"body|payload|key|token|secret|hash|password|authorization|cookie|header|phone|mobile|email|address_line",
    re.IGNORECASE,
)
_ALLOWED = frozenset({"push_configs"})
_REDACTED = "[redacted]"
_FRAMES = 6


def redact(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Replace the values of fields that must not be logged."""
    for name in event:
        if name not in _ALLOWED and _FORBIDDEN.search(name):
            event[name] = _REDACTED
    return event


def where(error: BaseException) -> str:
    """The last places of a traceback, without any value: ``intake.py:41 in _new_update < handler.py:97 in _take``."""
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    return " < ".join(f"{Path(frame.filename).name}:{frame.lineno} in {frame.name}" for frame in reversed(frames))


def configure(
    log_format: LogFormat | None = None, stream: TextIO | None = None, *, receiver: int | None = None
) -> None:
    """Set up logging for the process; without a format, console on a terminal and JSON elsewhere.

    ``receiver`` is the number of a receiving process; each of its lines contains it.
    """
    out = stream or sys.stderr
    chosen = log_format or ("console" if out.isatty() else "json")
    structlog.configure(
        processors=[
            *([] if receiver is None else [_numbered(receiver)]),
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            redact,
            with_traceback,
            *_renderers(chosen, colors=out.isatty()),
        ],
        logger_factory=lambda *_: _Lines(out),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers[:] = [_Bridge()]
    root.setLevel(logging.WARNING)
    logging.getLogger("aiohttp.access").disabled = True


def _numbered(receiver: int) -> Processor:
    def number(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        return {**event, "receiver": receiver}

    return number


def _renderers(chosen: str, *, colors: bool) -> tuple[Processor, ...]:
    if chosen == "json":
        return (structlog.processors.JSONRenderer(default=str),)
    return (printable_event, structlog.dev.ConsoleRenderer(colors=colors, timestamp_key="time"))


class _Lines(structlog.PrintLogger):
    """Writes lines. One that can't be written (a full disk, a reader that is gone) must stop nothing, so it is lost."""

    def msg(self, message: str) -> None:
        """One line."""
        with contextlib.suppress(OSError):
            super().msg(message)

    debug = info = warning = error = critical = exception = msg


class _Bridge(logging.Handler):
    """Libraries' warnings as structured lines: which library and where. Their text may hold parts of a request."""

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


_loop_errors = LogThrottle()


def on_loop_error(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """An event loop's exception handler: a task or callback failed and nobody waited for it."""
    error = context.get("exception")
    held_back = _loop_errors.allow(f"{context.get('message')} {type(error).__name__}")
    if held_back is None:
        return
    structlog.get_logger("asyncio").error(
        "task_failed",
        text=context.get("message"),
        error=None if error is None else type(error).__name__,
        at=None if error is None else where(error),
        held_back=held_back,
    )
