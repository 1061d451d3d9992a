"""The catalog: every definition passes its samples, covers its own table, and removes personal data."""

import copy
import json
import random
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aggregators.definition_helpers import one, read
from support.examples import examples
from support.rows import every_row
from trackpush_aggregators import MalformedBodyError, TooManyUpdatesError
from trackpush_aggregators.catalog import catalog_names, catalog_spec, catalog_text
from trackpush_aggregators.definition import compile_definition, examine
from trackpush_aggregators.reader import Reader
from trackpush_aggregators.updates import notification
from trackpush_api.kinds.aggregator_definition import AggregatorDefinitionSpec
from trackpush_api.vocabulary import Direction, Status
from trackpush_api.yaml_reader import read_documents

NAMES = (
    "aftership",
    "bluedart",
    "delhivery",
    "easypost",
    "ecomexpress",
    "ekart",
    "nimbuspost",
    "shadowfax",
    "shippo",
    "xpressbees",
    "xpressbees-courier",
)
PERSONAL = {
    "aftership": ["msg.emails", "msg.smses", "msg.signed_by", "msg.customers.phone_number"],
    "bluedart": [
        *(
            f"{place}.DeliveryDetails.{member}"
            for place in ("shipment.Scans", "shipment")
            for member in (
                "ReceivedBy",
                "Relation",
                "IDType",
                "IDNumber",
                "IDImage",
                "Signature",
                "SecurityCodeDelivery",
            )
        ),
        "shipment.Scans.QCFailed.Pictures.Image",
        "shipment.QCFailed.Pictures",
        "scan.SecureCode",
        "shipment.Scans.Reweigh.RWImage",
        "shipment.Scans.CallLogs",
        "shipment.PODDCImages",
    ],
    "delhivery": ["Shipment.Receivedby"],
    "easypost": ["result.signed_by", "pending_urls", "completed_urls"],
    "ecomexpress": ["employee_name", "employee_mobile", "Employee", "sign_image", "qc_list.image"],
    "shadowfax": [
        "rider_name",
        "rider_contact",
        *(f"recipient_info.recipient{member}" for member in ("", "_name", "_contact", "_signature")),
    ],
}
"""What the senders' documents name as personal data, secrets and pictures."""
CANARY = "PII-of-Asha-9876543210"
UPDATED = 1_795_600_000_000
"""A time of receipt after the times of all samples."""


def defined(name: str) -> AggregatorDefinitionSpec:
    spec = catalog_spec(name)
    assert spec is not None
    return spec


@lru_cache
def reader(name: str) -> Reader:
    return compile_definition(name, defined(name))


def bodies(name: str) -> list[Any]:
    return [sample.body for sample in defined(name).samples]


def test_the_catalog_has_the_eleven_definitions_and_no_others() -> None:
    assert catalog_names() == NAMES
    assert catalog_spec("dtdc") is None
    assert catalog_text("dtdc") is None


@pytest.mark.parametrize("name", NAMES)
def test_each_file_is_a_resource_named_and_served_like_its_file(name: str) -> None:
    text = catalog_text(name)
    assert text is not None
    resource = yaml.safe_load(text)
    assert (resource["apiVersion"], resource["kind"]) == ("trackpush.dev/v1alpha1", "AggregatorDefinition")
    assert (resource["metadata"], defined(name).path) == ({"name": name}, name)


@every_row("name", NAMES)
def test_a_cluster_reads_the_same_from_each_file_as_the_program(name: str) -> None:
    """An unquoted ``Y`` is text for the program, and true for Kubernetes."""
    text = catalog_text(name) or ""
    (document,) = read_documents(text)
    assert document.value == yaml.safe_load(text)


@pytest.mark.parametrize("name", NAMES)
def test_each_definition_passes_its_samples(name: str) -> None:
    found = examine(name, defined(name))
    assert [str(each) for each in (*found.faults, *found.failures)] == []


@pytest.mark.parametrize("name", NAMES)
def test_the_samples_show_every_status_of_the_table(name: str) -> None:
    spec = defined(name)
    shown = {expected.get("status") for sample in spec.samples for expected in sample.expect}
    assert {row.status for row in spec.status.table} <= shown


@pytest.mark.parametrize("name", NAMES)
def test_every_row_of_the_table_can_be_reached(name: str) -> None:
    """A row after one that matches the same values would never apply."""
    rows = defined(name).status.table
    for number, row in enumerate(rows):
        for earlier in rows[:number]:
            pairs = zip(earlier.when, row.when, strict=True)
            assert not all(covers(wide, narrow) for wide, narrow in pairs), (earlier.when, row.when)


def covers(wide: str, narrow: str) -> bool:
    """Whether a pattern matches whatever another one matches."""
    wide, narrow = ("".join(pattern.split()).casefold() for pattern in (wide, narrow))
    return wide == narrow or (wide.endswith("*") and narrow.removesuffix("*").startswith(wide[:-1]))


def steps_into(spec: AggregatorDefinitionSpec, body: Any) -> dict[str, Any]:
    """The variables of the first update of a body."""
    found = {"body": body}
    for step in spec.updates:
        for path in step.in_:
            value = found[path.split(".")[0]]
            for name in path.split(".")[1:]:
                value = value.get(name) if isinstance(value, dict) else None
            if value:
                break
        found[step.as_] = value[0] if isinstance(value, list) else value
    return found


def with_canary(spec: AggregatorDefinitionSpec, body: Any, path: str) -> Any:
    """A copy of the body with a text at this path, in lists as well."""
    changed = copy.deepcopy(body)
    variables = steps_into(spec, changed)
    first, *names = path.replace("*", "name").split(".")
    place, names = (variables[first], names) if first in variables else (changed, [first, *names])
    for name in names[:-1]:
        if not isinstance(place.get(name), dict | list):
            place[name] = {}
        place = place[name]
        if isinstance(place, list):
            place.append({})
            place = place[-1]
    place[names[-1]] = CANARY
    return changed


@pytest.mark.parametrize(
    ("name", "path"),
    [(name, path) for name in NAMES for path in dict.fromkeys((*PERSONAL.get(name, ()), *defined(name).redact))],
)
def test_personal_data_is_neither_stored_nor_pushed(name: str, path: str) -> None:
    spec = defined(name)
    tried = 0
    for body in bodies(name):
        changed = with_canary(spec, body, path)
        parsed = read(reader(name), changed, received_at=UPDATED)
        assert parsed.updates
        for update in parsed.updates:
            tried += 1
            assert CANARY.encode() not in update.body
            assert CANARY not in msgspec.json.encode(notification(update, UPDATED)).decode()
    assert tried


@pytest.mark.parametrize(
    "body",
    [
        {"waybill": "1", "EPOD": "aW1hZ2U=" * 400_000, "orderID": "ORD-1"},
        {"Waybill": "1", "Weight_images": ["aW1hZ2U=" * 400_000], "doc": "aW1hZ2U="},
        {"waybillId": "1", "returnId": "2", "Image": "aW1hZ2U=" * 400_000},
    ],
)
def test_delhiverys_documents_are_not_updates_and_their_pictures_are_not_kept(body: Any) -> None:
    parsed = read(reader("delhivery"), body)

    assert parsed.updates == ()
    (leftover,) = parsed.leftovers
    assert b"aW1hZ2U=" not in leftover.body
    assert len(leftover.body) < 1000


def test_a_picture_of_megabytes_is_not_kept() -> None:
    spec = defined("bluedart")
    body = with_canary(spec, bodies("bluedart")[1], "shipment.Scans.DeliveryDetails.Signature")
    body["statustracking"][0]["Shipment"]["Scans"]["DeliveryDetails"]["Signature"] = "aW1hZ2U=" * 400_000

    update = one(reader("bluedart"), body, received_at=UPDATED)

    assert (update.status, update.awb) == (Status.DELIVERED, "50000000022")
    assert len(update.body) < 2000


@pytest.mark.parametrize(
    ("name", "change", "status", "direction"),
    [
        ("delhivery", {"StatusType": "dl", "Status": "rto"}, Status.RTO_DELIVERED, Direction.RTO),
        ("delhivery", {"StatusType": "RT", "Status": "Dispatched"}, Status.RTO_OUT_FOR_DELIVERY, Direction.RTO),
        ("delhivery", {"StatusType": "PU", "Status": "In Transit"}, Status.RETURN_IN_TRANSIT, Direction.REVERSE),
        ("delhivery", {"StatusType": "PP", "Status": "Open"}, Status.RETURN_PICKUP_PENDING, Direction.REVERSE),
        ("delhivery", {"StatusType": "RT", "Status": "New word"}, Status.UNKNOWN, Direction.RTO),
        ("delhivery", {"StatusType": "", "Status": "Delivered"}, Status.UNKNOWN, Direction.FORWARD),
    ],
)
def test_delhiverys_word_means_nothing_without_its_type(
    name: str, change: dict[str, str], status: Status, direction: Direction
) -> None:
    body = copy.deepcopy(bodies(name)[0])
    body["Shipment"]["Status"] |= change
    body["Shipment"]["NSLCode"] = None

    update = one(reader(name), body)

    assert (update.status, update.direction) == (status, direction)


@pytest.mark.parametrize("name", NAMES)
def test_a_repeat_is_the_same_update_and_another_time_is_not(name: str) -> None:
    body = bodies(name)[0]
    first, again = (read(reader(name), body, received_at=at).updates for at in (UPDATED, UPDATED + 60_000))

    assert [update.identity for update in first] == [update.identity for update in again]
    assert len({update.identity for update in first}) == len(first)


def test_histories_are_one_update_whose_time_is_that_of_the_newest_event() -> None:
    for name, path in (("aftership", ("msg", "checkpoints")), ("easypost", ("result", "tracking_details"))):
        body = copy.deepcopy(bodies(name)[0])
        history = body[path[0]][path[1]]
        older = copy.deepcopy(history[0])
        older |= {key: "2026-11-20T00:00:00Z" for key in ("checkpoint_time", "datetime") if key in older}
        history.insert(0, older)

        assert one(reader(name), body).occurred_at == one(reader(name), bodies(name)[0]).occurred_at


def test_a_new_delivery_date_is_another_update_than_the_scan_before_it() -> None:
    for name, change in (
        ("aftership", {"event_id": "00000000-0000-4000-8000-000000000099"}),
        ("easypost", {"id": "evt_another"}),
    ):
        body = bodies(name)[0]
        assert one(reader(name), body).identity != one(reader(name), body | change).identity


def junk() -> st.SearchStrategy[Any]:
    leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12)
    return st.recursive(leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner))


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of each member and element within a value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, member in inner:
        yield (*path, name)
        yield from places(member, (*path, name))


def mutated(body: Any, seed: int, part: Callable[[], Any]) -> Any:
    """A copy of the body in which some members are others or missing."""
    chance = random.Random(seed)  # noqa: S311  reproducible
    changed = copy.deepcopy(body)
    for path in chance.sample(found := list(places(changed)), k=min(3, len(found))):
        holder = changed
        try:
            for name in path[:-1]:
                holder = holder[name]
            if chance.random() < 0.3:
                del holder[path[-1]]
            else:
                holder[path[-1]] = part()
        except (KeyError, IndexError, TypeError):  # an earlier change has removed the way to it
            continue
    return changed


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_any_json_gives_updates_or_a_clear_refusal(name: str) -> None:
    compiled, samples = reader(name), bodies(name)

    @settings(max_examples=examples(15), deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def check(data: st.DataObject) -> None:
        body = mutated(data.draw(st.sampled_from(samples)), data.draw(st.integers(0, 2**32)), lambda: data.draw(junk()))
        for tried in (body, [body, body], data.draw(junk())):
            try:
                parsed = read(compiled, json.dumps(tried).encode())
            except (MalformedBodyError, TooManyUpdatesError):
                continue
            for update in parsed.updates:
                assert update.shipment
                msgspec.json.encode(notification(update, UPDATED))
                msgspec.json.decode(update.body)

    check()
