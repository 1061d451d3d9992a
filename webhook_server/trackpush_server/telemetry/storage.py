"""Metrics and log lines about the journal."""

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from trackpush_runtime.log_throttle import LogThrottle
from trackpush_server.journal.listener import JournalListener
from trackpush_server.journal.model import Trimmed
from trackpush_server.journal.ports import JournalStatus

_COMMIT_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_ROWS = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500)

_log = structlog.get_logger("trackpush.journal")


class JournalTelemetry:
    """Commit time, batch size, and whether the journal can store."""

    def __init__(self, registry: CollectorRegistry, journal: JournalStatus) -> None:
        seconds = Histogram(
            "trackpush_journal_commit_duration_seconds",
            "Duration of one commit of the journal, until it is on disk.",
            buckets=_COMMIT_SECONDS,
            registry=registry,
        )
        rows = Histogram(
            "trackpush_journal_commit_rows",
            "Tracking updates and outcomes of attempts in one commit.",
            buckets=_ROWS,
            registry=registry,
        )
        self._unavailable = Gauge(
            "trackpush_journal_unavailable", "1 while the journal cannot store anything.", registry=registry
        )
        Gauge(
            "trackpush_journal_queued_updates", "Tracking updates that wait for the next commit.", registry=registry
        ).set_function(lambda: journal.stats.queued)
        Gauge(
            "trackpush_journal_queued_outcomes", "Outcomes of attempts that are not on disk yet.", registry=registry
        ).set_function(lambda: journal.outcomes_waiting)
        Gauge(
            "trackpush_journal_size_bytes", "Size of the journal on disk, including its log.", registry=registry
        ).set_function(lambda: journal.size_bytes)
        Gauge(
            "trackpush_journal_incomplete",
            "1 if, at its start, the server found the journal's log missing or cut.",
            registry=registry,
        ).set_function(lambda: journal.stats.missing is not None)
        self._deleted = Counter(
            "trackpush_retention_deleted",
            "Rows deleted by retention, by kind: updates or pushes.",
            ["kind"],
            registry=registry,
        )
        self._dropped = Counter(
            "trackpush_inbox_dropped",
            "Unrecognised bodies that were deleted early because there were too many.",
            registry=registry,
        )
        self._throttle = LogThrottle(most=1, per=60.0)
        self._losses = Counter(
            "trackpush_journal_losses",
            "Number of times that the database came back without commits that this pod had seen.",
            registry=registry,
        )
        self._lost_updates = Counter(
            "trackpush_journal_lost_updates",
            "Tracking updates that this pod had seen and that the database lost, estimated by their ids.",
            registry=registry,
        )
        self._seconds, self._rows = seconds.observe, rows.observe
        self._told: str | None = None

    def batch(self, seconds: float, rows: int) -> None:
        self._seconds(seconds)
        self._rows(rows)

    @property
    def listener(self) -> JournalListener:
        """Callbacks that measure commits, and log when the journal becomes unavailable."""
        return JournalListener(on_batch=self.batch, on_state=self.state, on_dropped=self.dropped)

    def trimmed(self, trimmed: Trimmed) -> None:
        self._deleted.labels("updates").inc(trimmed.updates)
        self._deleted.labels("pushes").inc(trimmed.pushes)

    def dropped(self, account: str, count: int) -> None:
        self._dropped.inc(count)
        held_back = self._throttle.allow(account)
        if held_back is not None:
            _log.warning(
                "inbox_full",
                account=account,
                dropped=count,
                reason="too many unrecognised bodies are kept; the oldest of this account were dropped",
                held_back=held_back,
            )

    def lost_commits(self, updates: int | None, outcomes: int) -> None:
        """Record that the database came back without commits. ``updates``: number of missing ones; None if unknown."""
        self._losses.inc()
        self._lost_updates.inc(updates or 0)
        _log.error(
            "journal_lost_commits",
            what="the database came back without its last commits: a standby that was not synchronous was promoted, or"
            " its storage was rolled back. Updates that were answered with 200 are missing; the aggregators must send"
            " them again. This pod releases all slots and reads pending pushes again",
            updates=updates,
            outcomes_dropped=outcomes,
        )

    def state(self, reason: str | None) -> None:
        self._unavailable.set(reason is not None)
        if reason is not None:
            _log.error("journal_unavailable", reason=reason)
        elif self._told is not None:
            _log.info("journal_available")
        self._told = reason
