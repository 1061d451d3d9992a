"""Series of aggregators: the built-in ones from the start, those of definitions with their first value."""

from prometheus_client import CollectorRegistry

from trackpush_api.vocabulary import Aggregator
from trackpush_server.receiver import answers
from trackpush_server.telemetry.ingest import IngestTelemetry
from trackpush_server.telemetry.labels import MOST_PUSH_CONFIGS, OTHER, BoundedLabels


def aggregators_of(registry: CollectorRegistry, metric: str) -> set[str]:
    return {
        sample.labels["aggregator"]
        for family in registry.collect()
        if family.name == metric
        for sample in family.samples
    }


def test_an_aggregator_of_a_definition_has_series_from_its_first_request_on() -> None:
    registry = CollectorRegistry()
    telemetry = IngestTelemetry(registry, BoundedLabels())
    assert aggregators_of(registry, "trackpush_ingest_malformed") == {each.slug for each in Aggregator}

    telemetry.answered("parcelkit", answers.PROBE, 0.1)
    telemetry.refused("parcelkit", "acme/kit", answers.malformed("no JSON"))

    for metric in ("requests", "malformed", "request_duration_seconds"):
        assert "parcelkit" in aggregators_of(registry, f"trackpush_ingest_{metric}"), metric


def test_series_stay_bounded_however_many_definitions_come_and_go() -> None:
    registry = CollectorRegistry()
    telemetry = IngestTelemetry(registry, BoundedLabels())
    for number in range(2 * MOST_PUSH_CONFIGS):
        telemetry.answered(f"courier-{number}", answers.PROBE, 0.1)

    found = aggregators_of(registry, "trackpush_ingest_requests")
    assert len(found) <= MOST_PUSH_CONFIGS + 1
    assert OTHER in found
