"""A push in CloudEvents format is what the CloudEvents project's own SDK reads, and what the specification allows."""

import json
import re
from pathlib import Path

import jsonschema_rs
import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_structured_event
from cloudevents.core.v1.event import CloudEvent
from hypothesis import HealthCheck, given, settings

from aggregators.bodies import clickpost, one
from aggregators.test_properties import bodies
from formats.samples import cloud_event, push, updates
from support.examples import examples
from support.sink import Arrival
from trackpush_aggregators import MalformedBodyError
from trackpush_api.vocabulary import Aggregator
from trackpush_server.notification_schema import SCHEMA_ID, notification_schema

CONTENT_TYPE = "application/cloudevents+json"
ENVELOPE = jsonschema_rs.Draft202012Validator(
    {
        "type": "object",
        "required": ["specversion", "id", "source", "type", "time", "datacontenttype", "dataschema", "data"],
        "properties": {
            "specversion": {"const": "1.0"},
            "id": {"type": "string", "minLength": 1},
            "source": {"type": "string", "format": "uri-reference", "minLength": 1},
            "type": {"type": "string", "minLength": 1},
            "time": {"type": "string", "format": "date-time"},
            "subject": {"type": "string", "minLength": 1},
            "datacontenttype": {"const": "application/json"},
            "dataschema": {"type": "string", "format": "uri"},
            "data": notification_schema(),
        },
        "additionalProperties": False,
    },
    validate_formats=True,
)
"""CloudEvents 1.0.2, "Context Attributes" and "JSON Event Format", with our notification as data."""
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
"""The specification's type system: no string attribute holds a control character."""


def read(body: bytes) -> CloudEvent:
    """The event, as the SDK reads it from structured mode."""
    event = from_structured_event(HTTPMessage(headers={"content-type": CONTENT_TYPE}, body=body))
    assert isinstance(event, CloudEvent)
    return event


async def test_every_sample_is_pushed_as_a_cloud_event(tmp_path: Path) -> None:
    arrivals = await push(tmp_path)

    assert len(arrivals["CloudEvents"]) == len(arrivals["Canonical"]) > 20
    for arrival in arrivals["CloudEvents"]:
        _holds(arrival)


def _holds(arrival: Arrival) -> None:
    event = read(arrival.body)
    data = event.get_data()
    assert isinstance(data, dict)
    ENVELOPE.validate(json.loads(arrival.body))
    assert arrival.headers["content-type"] == CONTENT_TYPE
    assert event.get_id() == arrival.webhook_id == data["id"]
    assert event.get_source() == f"/trackpush/{data['aggregator']}/acme/{data['aggregator']}"
    assert event.get_type() == data["type"]
    assert event.get_subject() == data["shipment"]["awb"]
    assert event.get_dataschema() == SCHEMA_ID
    time = event.get_time()
    assert time is not None
    assert time.isoformat().replace("+00:00", "Z").startswith((data["occurredAt"] or data["receivedAt"])[:19])


@pytest.mark.slow
@pytest.mark.parametrize("aggregator", Aggregator)
def test_whatever_an_aggregator_sends_is_a_cloud_event(aggregator: Aggregator) -> None:
    seen = []

    @settings(max_examples=examples(100), deadline=None, suppress_health_check=list(HealthCheck))
    @given(bodies(aggregator))
    def check(body: bytes) -> None:
        try:
            found = updates(aggregator, body)
        except MalformedBodyError:
            return
        for update in found:
            pushed = cloud_event(update)
            event = read(pushed)
            seen.append(event)
            ENVELOPE.validate(json.loads(pushed))
            assert CONTROL.search(event.get_subject() or "") is None

    check()
    assert seen, "the generated bodies must hold updates"


def test_an_awb_with_a_control_character_is_no_subject() -> None:
    event = read(cloud_event(one(Aggregator.CLICKPOST, clickpost(waybill="19\u000100"))))

    assert event.get_subject() is None
    data = event.get_data()
    assert isinstance(data, dict)
    assert data["shipment"]["awb"] == "19\u000100"
