"""Structured logs on stderr: one line per state change, UTC, stable event names. Never a Secret's value.

The field `exception` of an unexpected error is its traceback without any value, see `trackpush_api.tracebacks`.

Events (the field ``event``): ``lease_acquired`` · ``lease_lost`` · ``waiting_for_lease`` · ``waiting_for_kinds`` ·
``kinds_missing`` · ``namespaces_not_watched`` · ``namespace_not_readable`` · ``listed_again`` ·
``default_server_applied`` · ``default_server_refused`` · ``synced`` · ``resync_failed`` · ``watch_restarted`` ·
``missed_changes`` · ``work_failed`` · ``shard_broken`` · ``event_not_written`` · ``handler_failed`` ·
``portal_change_applied`` · ``portal_change_refused`` · ``library_warning`` · ``stopped``.
"""

from typing import TextIO

from trackpush_runtime import logs
from trackpush_runtime.logs import LogFormat, LogLevel


def configure(log_format: LogFormat | None = None, stream: TextIO | None = None, *, level: LogLevel = "info") -> None:
    """Set up logging for the process."""
    logs.configure(log_format, stream, level=level)
