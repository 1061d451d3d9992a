"""Metrics and log lines of the receiver. Implements `trackpush_server.receiver.observer.ReceiverObserver`."""

from collections.abc import Callable, Iterable, Sequence
from itertools import product
from typing import Generic, TypeVar

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from trackpush_aggregators import Leftover
from trackpush_api.routing import Account
from trackpush_api.vocabulary import Aggregator, AggregatorName, slug_of
from trackpush_runtime.log_throttle import LogThrottle
from trackpush_runtime.logs import where
from trackpush_server.receiver import answers
from trackpush_server.receiver.answers import Response
from trackpush_server.receiver.filters import FilterFailure
from trackpush_server.receiver.intake import Intake
from trackpush_server.telemetry import refusals
from trackpush_server.telemetry.exemplars import exemplar
from trackpush_server.telemetry.labels import BoundedLabels
from trackpush_server.telemetry.unknown_codes import UnknownCodes
from trackpush_server.telemetry.unknown_keys import UnknownKeys

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_RESULTS = ("accepted", "duplicate")
_REFUSALS = ("malformed_body", "not_ready", "overloaded", "unauthorized", "unavailable", "unexpected")
"""These series start with 0: an alert must see the first refusal, and `rate` sees no increase if a series starts with
1.
"""
_NO_AGGREGATOR = "none"
_CONNECTIONS, _UNDER_WAY = "trackpush_ingest_connections", "trackpush_ingest_requests_under_way"
GAUGES = (_CONNECTIONS, _UNDER_WAY, refusals.ACCOUNTS, refusals.UNKNOWN)
"""Names of the gauges among these metrics."""

Series = TypeVar("Series")
_log = structlog.get_logger("trackpush.receiver")


class IngestTelemetry:
    """Requests (rate, errors, duration), and results of updates."""

    def __init__(self, registry: CollectorRegistry, labels: BoundedLabels) -> None:
        self._slugs = BoundedLabels()
        self._requests = Counter(
            "trackpush_ingest_requests",
            "Aggregators' requests, by answer.",
            ["aggregator", "code"],
            registry=registry,
        )
        self._refused = Counter(
            "trackpush_ingest_refused",
            "Aggregators' requests whose updates could not be stored, by the error in the answer.",
            ["aggregator", "reason"],
            registry=registry,
        )
        seconds = Histogram(
            "trackpush_ingest_request_duration_seconds",
            "Time from a request's head to its answer, including the commit.",
            ["aggregator"],
            buckets=_SECONDS,
            registry=registry,
        )
        updates = Counter(
            "trackpush_updates",
            "Tracking updates, by result: stored (accepted) or already stored (duplicate).",
            ["aggregator", "result"],
            registry=registry,
        )
        unknown = Counter(
            "trackpush_updates_unknown_status",
            "Tracking updates with an unknown status code; they are stored and pushed as UNKNOWN.",
            ["aggregator"],
            registry=registry,
        )
        unrecognised = Counter(
            "trackpush_ingest_unrecognised",
            "Unrecognised bodies (known key, no shipment); they are kept in the inbox.",
            ["aggregator"],
            registry=registry,
        )
        malformed = Counter(
            "trackpush_ingest_malformed",
            "Bodies with a known key that were answered with 400.",
            ["aggregator"],
            registry=registry,
        )
        filtered = Counter(
            "trackpush_pushes_filtered",
            "Updates that a PushConfig's filter dropped, so that no push was created.",
            ["aggregator"],
            registry=registry,
        )
        self._expression_errors = Counter(
            "trackpush_filter_expression_errors",
            "Tracking updates for which a PushConfig's filter.expression failed; they are pushed.",
            ["push_config"],
            registry=registry,
        )
        for aggregator, reason in product((*Aggregator, None), _REFUSALS):
            self._refused.labels(self._label(aggregator), reason)
        self._labels = labels
        self._connections_refused = Counter(
            "trackpush_ingest_connections_refused",
            "Aggregators' connections that were closed at once because of limits.maxConnections.",
            registry=registry,
        )
        self.refusals = refusals.Refusals()
        registry.register(self.refusals)
        self.unknown_codes = UnknownCodes()
        self.unknown_keys = UnknownKeys()
        self.connections = Gauge(_CONNECTIONS, "Open connections of aggregators.", registry=registry)
        self.under_way = Gauge(_UNDER_WAY, "Requests that wait for their commit.", registry=registry)
        self._seconds = _ByAggregator(self._label, lambda slug: seconds.labels(slug).observe)
        self._unrouted_seconds = seconds.labels(_NO_AGGREGATOR).observe
        self._updates = _ByAggregator(
            self._label, lambda slug: {result: updates.labels(slug, result).inc for result in _RESULTS}
        )
        self._unknown = _ByAggregator(self._label, lambda slug: unknown.labels(slug).inc)
        self._unrecognised = _ByAggregator(self._label, lambda slug: unrecognised.labels(slug).inc)
        self._malformed = _ByAggregator(self._label, lambda slug: malformed.labels(slug).inc)
        self._filtered = _ByAggregator(self._label, lambda slug: filtered.labels(slug).inc)
        self._answers: dict[tuple[AggregatorName | None, str], Counter] = {}
        self._throttle = LogThrottle()
        self._once_a_minute = LogThrottle(most=1, per=60.0)

    def answered(
        self, aggregator: AggregatorName | None, answer: Response, seconds: float, trace: str | None = None
    ) -> None:
        child = self._answers.get((aggregator, answer.code))
        if child is None:
            child = self._answers[aggregator, answer.code] = self._requests.labels(self._label(aggregator), answer.code)
        child.inc()
        if answer.refusal is not None:
            self._refused.labels(self._label(aggregator), answer.refusal).inc()
        observe = self._unrouted_seconds if aggregator is None else self._seconds[aggregator]
        observe(seconds, exemplar(trace))

    def answered_account(self, account: str, answer: Response) -> None:
        self.refusals.of_account(account, refused=not answer.code.startswith("2"))

    def refused_unknown(self, aggregator: AggregatorName, sender: str) -> None:
        self.refusals.of_unknown(aggregator, sender)

    def unknown_key(self, aggregator: AggregatorName, host: str) -> None:
        self.unknown_keys.count(slug_of(aggregator), host)

    def stored(self, aggregator: AggregatorName, intake: Intake, accepted: int) -> None:
        count = self._updates[aggregator]
        if accepted:
            count["accepted"](accepted)
        if accepted != len(intake.updates):
            count["duplicate"](len(intake.updates) - accepted)
        if intake.filtered:
            self._filtered[aggregator](intake.filtered)
        if intake.unknown:
            self._unknown[aggregator](len(intake.unknown))
            self.unknown_codes.count(slug_of(aggregator), intake.unknown)
        for failure in intake.failures:
            self._expression_failed(failure)

    def _label(self, aggregator: AggregatorName | None) -> str:
        return _NO_AGGREGATOR if aggregator is None else self._slugs.of(slug_of(aggregator))

    def _expression_failed(self, failure: FilterFailure) -> None:
        self._expression_errors.labels(self._labels.of(failure.push_config)).inc()
        held_back = self._once_a_minute.allow(failure.push_config)
        if held_back is not None:
            _log.warning(
                "filter_expression_failed",
                push_config=failure.push_config,
                reason=f"{failure.reason}; the update is pushed, correct spec.filter.expression",
                held_back=held_back,
            )

    def forget(self, gone: Iterable[str]) -> None:
        """Drop the series of deleted PushConfigs."""
        for name in gone:
            self._expression_errors.remove_by_labels({"push_config": name})

    def unrecognised(self, account: Account, leftovers: Sequence[Leftover]) -> None:
        """Count the bodies, and log their structure once a minute for each account."""
        self._unrecognised[account.aggregator](len(leftovers))
        held_back = self._once_a_minute.allow(f"unrecognised {account.name}")
        if held_back is not None:
            _log.warning(
                "body_unrecognised",
                account=account.name,
                aggregator=slug_of(account.aggregator),
                members=leftovers[0].names,
                reason="no shipment found in a body with a known key; it is in the inbox: see `trackpush inbox list`",
                held_back=held_back,
            )

    def refused(self, aggregator: AggregatorName, account: str | None, answer: Response) -> None:
        """Count a malformed body of an account, and log each kind of refusal once a minute for each account.

        Bodies without an account share one line for each aggregator.
        """
        is_malformed = answer.refusal == "malformed_body"
        if is_malformed and account is not None:
            self._malformed[aggregator]()
        held_back = self._once_a_minute.allow(f"{answer.refusal} {account or aggregator}")
        if held_back is not None:
            _log.warning(
                "body_malformed" if is_malformed and account is not None else "body_refused",
                account=account,
                aggregator=slug_of(aggregator),
                reason=answer.message,
                held_back=held_back,
            )

    def unauthorized(self, aggregator: AggregatorName, why: Callable[[], str]) -> None:
        """Log what is missing or wrong, throttled."""
        held_back = self._throttle.allow(f"unauthorized {aggregator}")
        if held_back is not None:
            _log.warning(
                "request_unauthorized",
                aggregator=slug_of(aggregator),
                reason=why(),
                held_back=held_back,
            )

    def postponed(self, aggregator: AggregatorName) -> None:
        """Log that an update was answered with 503, throttled."""
        self._postpone(
            aggregator,
            "the key of the request isn't known, and a shard of the routing table could not be read: repair the shard",
        )

    def postponed_for_path(self) -> None:
        """Log that a POST to an unknown URL was answered with 503, throttled."""
        reason = (
            "no aggregator has the URL of the request, and an AggregatorDefinition or another part of the routing table"
            " could not be loaded: correct what routing_parts_refused lists"
        )
        self._postpone(None, reason)

    def postponed_for_key(self, aggregator: AggregatorName) -> None:
        """Log that an update was answered with 503 because its key is missing, throttled."""
        reason = (
            "the key of the request is held back: its Secret was deleted less than a minute ago (restore it), or its"
            " namespace was created again and the journal is not bound to the new namespace yet"
        )
        self._postpone(aggregator, reason)

    def _postpone(self, aggregator: AggregatorName | None, reason: str) -> None:
        held_back = self._throttle.allow(f"postponed {aggregator}")
        if held_back is not None:
            _log.warning("request_postponed", aggregator=self._label(aggregator), reason=reason, held_back=held_back)

    def failed(self, reference: str, error: BaseException) -> None:
        """Log where the error was raised, without its message, which may contain parts of a body."""
        held_back = self._throttle.allow("failed")
        if held_back is not None:
            _log.error(
                "request_failed", reference=reference, error=type(error).__name__, at=where(error), held_back=held_back
            )

    def connection_refused(self) -> None:
        self._connections_refused.inc()
        held_back = self._throttle.allow("connections")
        if held_back is not None:
            _log.warning("connection_refused", reason="limits.maxConnections is reached", held_back=held_back)

    def bad_request(self) -> None:
        self.answered(None, answers.BAD_REQUEST, 0.0)


class _ByAggregator(dict[AggregatorName, Series], Generic[Series]):
    """Series by aggregator: those of the built-in ones from the start, the others with their first value.

    The names come from the routing table; the number of labels is bounded nevertheless.
    """

    def __init__(self, label: Callable[[AggregatorName], str], make: Callable[[str], Series]) -> None:
        super().__init__({aggregator: make(label(aggregator)) for aggregator in Aggregator})
        self._label = label
        self._make = make

    def __missing__(self, aggregator: AggregatorName) -> Series:
        made = self[aggregator] = self._make(self._label(aggregator))
        return made
