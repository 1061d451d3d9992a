"""The published schema tells the truth about every push, and its version is a promise."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, given, settings

from aggregators.bodies import SAMPLES
from aggregators.test_properties import bodies
from formats.samples import BY_SLUG, CASES, canonical, push, updates
from support.examples import examples
from support.rows import every_row
from trackpush_aggregators import MalformedBodyError, decode, parse
from trackpush_aggregators.catalog import catalog_names, catalog_spec
from trackpush_aggregators.definition import compile_definition
from trackpush_api.vocabulary import Aggregator
from trackpush_cli.main import run
from trackpush_server.notification_schema import breaks, notification_schema

PUBLISHED = Path(__file__).parents[2] / "docs" / "schemas" / "notification.v1.json"
SCHEMA = json.loads(PUBLISHED.read_text())
VALIDATOR = jsonschema_rs.Draft202012Validator(SCHEMA, validate_formats=True)
AFTER_THE_SAMPLES = 1_796_000_000_000
"""A time of receipt: no time in a sample is later."""
DELIVERED = "clickpost/03_delivered_selected.json"


def delivered() -> Any:
    (update,) = updates(Aggregator.CLICKPOST, (SAMPLES / DELIVERED).read_bytes())
    return json.loads(canonical(update))


def test_the_schema_itself_is_valid_and_is_what_is_generated() -> None:
    jsonschema_rs.meta.validate(SCHEMA)
    assert notification_schema() == SCHEMA


async def test_every_sample_is_pushed_as_the_schema_says(tmp_path: Path) -> None:
    arrivals = (await push(tmp_path))["Canonical"]

    assert {json.loads(arrival.body)["aggregator"] for arrival in arrivals} == {each.slug for each in Aggregator}
    for arrival in arrivals:
        pushed = json.loads(arrival.body)
        VALIDATOR.validate(pushed)
        assert pushed["id"] == arrival.webhook_id
        assert arrival.headers["content-type"] == "application/json"


@every_row("case", CASES)
def test_each_sample_is_valid_late_or_not(case: dict[str, Any]) -> None:
    for update in updates(BY_SLUG[case["aggregator"]], (SAMPLES / case["file"]).read_bytes()):
        VALIDATOR.validate(json.loads(canonical(update)))
        VALIDATOR.validate(json.loads(canonical(update, late=True)))


@pytest.mark.parametrize("name", catalog_names())
def test_each_sample_of_the_catalog_is_valid(name: str) -> None:
    spec = catalog_spec(name)
    assert spec is not None
    reader = compile_definition(name, spec)
    for sample in spec.samples:
        body = json.dumps(sample.body).encode()
        for update in parse(reader, decode(body), body, key=None, received_at=AFTER_THE_SAMPLES).updates:
            VALIDATOR.validate(json.loads(canonical(update)))


@pytest.mark.slow
@pytest.mark.parametrize("aggregator", Aggregator)
def test_whatever_an_aggregator_sends_is_pushed_as_the_schema_says(aggregator: Aggregator) -> None:
    seen = []

    @settings(max_examples=examples(150), deadline=None, suppress_health_check=list(HealthCheck))
    @given(bodies(aggregator))
    def check(body: bytes) -> None:
        try:
            found = updates(aggregator, body)
        except MalformedBodyError:
            return
        for update in found:
            pushed = canonical(update)
            seen.append(update)
            assert VALIDATOR.is_valid(json.loads(pushed.decode())), pushed

    check()
    assert seen, "the generated bodies must hold updates"


@every_row(
    ("place", "value"),
    [
        (("occurredAt",), "23 05 2023 11:43:52"),
        (("receivedAt",), None),
        (("type",), "shipment.vanished"),
        (("id",), "42"),
        (("raw",), "text"),
        (("shipment", "direction"), "sideways"),
        (("shipment", "estimatedDelivery"), "tomorrow"),
        (("shipment", "awb"), "9" * 257),
        (("status", "code"), None),
        (("status", "ndrReason"), "MOOD"),
        (("status", "attempt"), 0),
        (("status", "attempt"), None),
        (("status", "qcResult"), "unclear"),
        (("status", "qcReasons"), "101"),
        (("shipment", "revisedDelivery"), "later"),
    ],
)
def test_the_schema_refuses_what_is_never_pushed(place: tuple[str, ...], value: Any) -> None:
    pushed = delivered()
    holder = pushed
    for name in place[:-1]:
        holder = holder[name]
    holder[place[-1]] = value

    assert not VALIDATOR.is_valid(pushed)


def test_fields_that_join_later_are_valid_at_every_place() -> None:
    pushed = delivered()
    for holder in (pushed, pushed["shipment"], pushed["status"]):
        holder["joinedLater"] = {"any": 1}

    VALIDATOR.validate(pushed)


def _remove_a_field(schema: dict[str, Any]) -> None:
    del schema["$defs"]["NotificationShipment"]["properties"]["courier"]


def _make_optional(schema: dict[str, Any]) -> None:
    schema["required"].remove("test")


def _remove_a_code(schema: dict[str, Any]) -> None:
    schema["$defs"]["Status"]["enum"].remove("LOST")


def _remove_null(schema: dict[str, Any]) -> None:
    schema["properties"]["occurredAt"]["anyOf"].pop()


def _allow_null(schema: dict[str, Any]) -> None:
    schema["$defs"]["NotificationShipment"]["properties"]["direction"] = {
        "anyOf": [{"$ref": "#/$defs/Direction"}, {"type": "null"}]
    }


def _allow_more(schema: dict[str, Any]) -> None:
    schema["$defs"]["NotificationStatus"]["properties"]["remark"]["maxLength"] = 4096


def _allow_more_items(schema: dict[str, Any]) -> None:
    schema["$defs"]["NotificationStatus"]["properties"]["qcReasons"]["maxItems"] = 17


def _allow_longer_items(schema: dict[str, Any]) -> None:
    schema["$defs"]["NotificationStatus"]["properties"]["qcReasons"]["items"]["maxLength"] = 257


def _change_a_format(schema: dict[str, Any]) -> None:
    schema["properties"]["receivedAt"]["format"] = "time"


@every_row(
    ("change", "said"),
    [
        (_remove_a_field, "notification.shipment.courier: is gone"),
        (_make_optional, "notification.test: is not always there any more"),
        (_remove_a_code, "notification.status.code: LOST can no longer be derived"),
        (_remove_null, "notification.occurredAt: anyOf was"),
        (_allow_null, "notification.shipment.direction: may be null"),
        (_allow_more, "notification.status.remark: may be longer than 2048 characters"),
        (_allow_more_items, "notification.status.qcReasons: may have more than 16 items"),
        (_allow_longer_items, "notification.status.qcReasons[]: may be longer than 256 characters"),
        (_change_a_format, "notification.receivedAt: format was 'date-time' and is 'time'"),
    ],
)
def test_what_breaks_clients_is_reported(change: Callable[[dict[str, Any]], None], said: str) -> None:
    changed = copy.deepcopy(SCHEMA)
    change(changed)

    (line,) = breaks(SCHEMA, changed)

    assert line.startswith(said)


def test_additions_break_nobody() -> None:
    changed = copy.deepcopy(SCHEMA)
    changed["properties"]["joinedLater"] = {"type": "string"}
    changed["required"].append("joinedLater")
    changed["$defs"]["Status"]["enum"].append("TELEPORTED")
    changed["$defs"]["NdrReason"]["enum"].append("MOOD")
    changed["description"] = "In other words."

    assert breaks(SCHEMA, changed) == []


def test_a_field_whose_values_may_be_added_may_become_any_text_and_no_other() -> None:
    was = {
        "properties": {"a": {"type": "string", "enum": ["x"], "description": "Values may be added."}},
        "required": [],
    }
    now = {"properties": {"a": {"type": "string"}}, "required": []}
    assert breaks(was, now) == []
    was["properties"]["a"]["description"] = "One of these."
    assert breaks(was, now) == ["notification.a: x can no longer be derived"]


def test_the_command_writes_the_schema_and_sees_one_that_is_out_of_date(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / PUBLISHED.name

    assert run(["schema", "--check", str(tmp_path)]) == 1
    assert run(["schema", str(tmp_path)]) == 0
    assert file.read_text() == PUBLISHED.read_text()
    assert run(["schema", "--check", str(tmp_path)]) == 0
    file.write_text(file.read_text().replace("Ignore unknown fields.", ""))
    capsys.readouterr()
    assert run(["schema", "--check", str(tmp_path)]) == 1
    assert '+  "description": "The canonical form' in capsys.readouterr().out
    assert run(["schema", str(tmp_path)]) == 0


def test_the_command_never_writes_over_what_clients_rely_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = copy.deepcopy(SCHEMA)
    old["properties"]["weight"] = {"type": "number"}
    old["required"].append("weight")
    file = tmp_path / PUBLISHED.name
    file.write_text(json.dumps(old))

    assert run(["schema", str(tmp_path)]) == 1

    assert "notification.weight: is gone" in capsys.readouterr().err
    assert json.loads(file.read_text()) == old
