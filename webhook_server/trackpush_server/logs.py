"""Structured logs on stderr: one line per state change, UTC, stable event names.

No log line contains a body, a key, a header or a phone number. `redact` is the second line of defence, in case that
somebody adds such a line later. The field `exception` of an unexpected error is its traceback without any value, see
`trackpush_api.tracebacks`.

Events (the field ``event``): ``waiting_for_settings`` · ``listening`` · ``draining`` · ``stopped`` ·
``routing_table_loaded`` · ``routing_table_refused`` · ``routing_parts_refused`` · ``routing_table_repaired`` ·
``journal_unavailable`` · ``journal_available`` · ``journal_not_safe`` · ``journal_lost_commits`` ·
``journal_lock_restored`` · ``journal_log_incomplete`` · ``configuration_warnings`` · ``resources_polled`` ·
``journal_clock_differs`` · ``storage_refused`` · ``journal_housekeeping_failed`` · ``journal_news_failed`` ·
``journal_news_interrupted`` · ``retention_failed`` · ``retention_caught_up`` · ``replica_registered`` ·
``replica_dead`` · ``slots_taken_over`` · ``slots_claimed`` · ``slots_confirmed`` · ``slots_handed_over`` ·
``slots_lost`` · ``leases_failed`` · ``leases_cannot_reach_database`` · ``leases_run_out_by_themselves`` ·
``leases_differ`` · ``receiver_started`` · ``receiver_ended`` · ``receiver_hangs`` · ``receiver_failed`` ·
``request_unauthorized`` · ``request_postponed`` · ``request_failed`` · ``connection_refused`` · ``body_unrecognised`` ·
``body_malformed`` · ``inbox_full`` · ``filter_expression_failed`` · ``push_attempt_failed`` · ``push_dead`` ·
``endpoint_state_changed`` · ``token_renewal_failed`` · ``admin_token_refused`` · ``login`` · ``login_refused`` ·
``traces_not_exported`` · ``namespace_replaced`` · ``namespace_took_over`` · ``library_warning`` · ``task_failed`` ·
``definition_unusable`` · ``spool_waits`` · ``spool_rejected`` · ``account_silent`` · ``account_sends_again`` ·
``silence_watch_failed`` · ``body_refused`` · ``notification_sent`` · ``notification_failed`` ·
``notification_given_up`` · ``notification_not_sent`` · ``announcer_failed``.
``held_back`` is the number of similar lines that were suppressed before this one.
"""

import asyncio
from typing import Any, TextIO

import structlog

from trackpush_runtime import logs
from trackpush_runtime.log_throttle import LogThrottle
from trackpush_runtime.logs import LogFormat, where


def configure(
    log_format: LogFormat | None = None, stream: TextIO | None = None, *, receiver: int | None = None
) -> None:
    """Set up logging for the process.

    ``receiver``: the number of a receiving process, which each of its lines contains.
    """
    logs.configure(log_format, stream, fields=None if receiver is None else {"receiver": receiver})


_loop_errors = LogThrottle()


def on_loop_error(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """The event loop's exception handler: logs the failure of a task or callback that nobody awaits."""
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
