"""Metrics and log lines about the routing table."""

from collections.abc import Sequence

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from trackpush_api.routing import RoutingTable

_log = structlog.get_logger("trackpush.config")


class RoutingTelemetry:
    """The served revision, and the result of the last reload."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._info = Gauge(
            "trackpush_routing_table_info",
            "1 for the revision of the routing table that is served.",
            ["revision"],
            registry=registry,
        )
        self._loaded_at = Gauge(
            "trackpush_routing_table_loaded_timestamp_seconds",
            "Time when the current routing table was loaded.",
            registry=registry,
        )
        self._incomplete = Gauge(
            "trackpush_routing_table_incomplete",
            "1 while a shard has never been read: requests with unknown keys get 503 instead of 401.",
            registry=registry,
        )
        self._problems = Gauge(
            "trackpush_config_problems",
            "Problems in the last reload of the routing table; 0 if it was accepted.",
            registry=registry,
        )
        self._warnings = Gauge(
            "trackpush_config_warnings",
            "Warnings of the last reload of the routing table: configuration that is valid but probably a mistake.",
            registry=registry,
        )
        self._reloads = Counter(
            "trackpush_config_reloads",
            "Reloads of the routing table, by result: taken or refused.",
            ["result"],
            registry=registry,
        )

    def loaded(self, table: RoutingTable, at: float, *, complete: bool = True) -> None:
        """Record that a table was loaded; ``at`` is in seconds since the epoch."""
        self._incomplete.set(not complete)
        self._info.clear()
        self._info.labels(table.revision).set(1)
        self._loaded_at.set(at)
        self._reloads.labels("taken").inc()
        _log.info(
            "routing_table_loaded",
            revision=table.revision,
            server=table.server.name,
            accounts=len(table.accounts),
            push_configs=len(table.destinations),
            complete=complete,
        )

    def problems(self, problems: Sequence[str], *, kept: str | None, partly: bool = False) -> None:
        """Record the problems of the last reload; none if everything is valid again.

        ``kept`` is the served revision, None without one; ``partly``: the valid parts were applied.
        """
        self._problems.set(len(problems))
        if not problems:
            _log.info("routing_table_repaired", revision=kept)
            return
        if kept is not None:
            self._reloads.labels("refused").inc()
        event = "routing_parts_refused" if partly else "routing_table_refused"
        _log.error(event, problems=list(problems), kept=kept)

    def warnings(self, warnings: Sequence[str]) -> None:
        """Record the warnings of the last reload: valid configuration that is probably a mistake."""
        self._warnings.set(len(warnings))
        if warnings:
            _log.warning("configuration_warnings", warnings=list(warnings))
