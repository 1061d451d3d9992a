"""The demo's own reading of resources, filters, duplicates and late updates."""

import random
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import pytest
import yaml

from trackpush_aggregators.updates import TrackingUpdate
from trackpush_api.routing import Account, Destination, Filter, RoutingTable, ServerSettings
from trackpush_api.vocabulary import Aggregator, Direction, Status
from trackpush_cli.demo import resources
from trackpush_cli.demo.expected import Expected
from trackpush_cli.demo.story import LIFE_CYCLES, Bodies, Posting, invented_postings

ACCOUNT = Account(name="acme/clickpost", aggregator=Aggregator.CLICKPOST, key_digests=(), destinations=("acme/oms",))


def update(
    status: Status = Status.DELIVERED, *, awb: str = "1", at: int = 1000, direction: Direction = Direction.FORWARD
) -> TrackingUpdate:
    return TrackingUpdate(
        aggregator=Aggregator.CLICKPOST,
        identity=(awb, status, str(at)),
        shipment=awb,
        status=status,
        direction=direction,
        occurred_at=at,
        codes=("8",),
        body=b"{}",
    )


def expected(destination: Destination) -> Expected:
    return Expected(
        RoutingTable(server=ServerSettings(name="t/main"), accounts=(ACCOUNT,), destinations=(destination,))
    )


def posting(*updates: TrackingUpdate, account: Account = ACCOUNT) -> Posting:
    return Posting(label="post", account=account, body=b"{}", updates=updates)


def test_an_update_is_expected_once_and_then_counts_as_a_duplicate() -> None:
    it = expected(Destination(name="acme/oms", url="http://x"))

    first, first_duplicates = it.of(posting(update()))
    second, second_duplicates = it.of(posting(update()))

    assert ([each.push_config for each in first], first_duplicates) == (["acme/oms"], 0)
    assert (second, second_duplicates) == ([], 1)


@pytest.mark.parametrize(
    ("choice", "count"),
    [
        (Filter(), 1),
        (Filter(statuses=frozenset({"DELIVERED"})), 1),
        (Filter(statuses=frozenset({"8"})), 1),
        (Filter(statuses=frozenset({"LOST"})), 0),
        (Filter(directions=frozenset({Direction.RTO})), 0),
        (Filter(aggregators=frozenset({Aggregator.SHIPWAY})), 0),
    ],
)
def test_filters_decide_what_is_expected(choice: Filter, count: int) -> None:
    it = expected(Destination(name="acme/oms", url="http://x", filter=choice))

    assert len(it.of(posting(update()))[0]) == count


def test_a_late_update_is_expected_unless_the_client_drops_late_ones() -> None:
    for drop_late, count in ((False, 1), (True, 0)):
        it = expected(Destination(name="acme/oms", url="http://x", drop_late=drop_late))
        it.of(posting(update(at=2000)))
        late = it.of(posting(update(Status.IN_TRANSIT, at=1000)))[0]

        assert [each.late for each in late] == [True] * count


def test_a_push_config_turned_to_this_machine_keeps_all_but_its_url_and_tls() -> None:
    resource = {
        "kind": "PushConfig",
        "metadata": {"name": "oms", "namespace": "acme"},
        "spec": {"url": "https://x", "tls": {"ca": 1}, "headers": [{"name": "A", "value": "b"}]},
    }

    turned = resources.turn_to_loopback(resource, "http://127.0.0.1:9")

    assert turned["spec"] == {"url": "http://127.0.0.1:9/clients/acme/oms", "headers": [{"name": "A", "value": "b"}]}
    assert resource["spec"]["url"] == "https://x"  # type: ignore[index]


def test_every_sample_account_has_a_key_and_every_aggregator_a_client() -> None:
    files = resources.read(resources.sample_manifests())
    everything = [resource for group in files.values() for resource in group]
    webhooks = list(resources.of_kind(everything, "AggregatorWebhook"))

    assert set(resources.keys(everything)) == {resources.name_of(webhook) for webhook in webhooks}
    assert {webhook["spec"]["aggregator"] for webhook in webhooks} == set(Aggregator)
    assert len({webhook["metadata"]["namespace"] for webhook in webhooks}) == 3


def test_written_resources_are_private_and_read_back_the_same(tmp_path: Path) -> None:
    source = resources.sample_manifests()
    files = resources.read(source)
    resources.write(files, source, tmp_path)

    for path, group in files.items():
        written = tmp_path / path.relative_to(source)
        assert list(yaml.safe_load_all(written.read_text())) == group
        assert written.stat().st_mode & 0o077 == 0


def test_invented_shipments_go_through_whole_life_cycles_in_order_and_never_in_the_future() -> None:
    now = datetime(2026, 1, 31, tzinfo=UTC)
    lives: dict[str, list[str]] = {}
    times: dict[str, list[datetime]] = {}

    def compose(_: Aggregator, status: str, awb: str, time: datetime) -> bytes:
        lives.setdefault(awb, []).append(status)
        times.setdefault(awb, []).append(time)
        return b"{}"

    bodies = Bodies(lambda _aggregator, _body: [], compose, lambda _aggregator: list(Status))
    postings = invented_postings([ACCOUNT], bodies, random.Random(1), lambda: now)  # noqa: S311  invented shipments
    assert len(list(islice(postings, 400))) == 400

    whole = {tuple(map(str, cycle)) for cycle in LIFE_CYCLES.values()}
    assert {tuple(life) for life in lives.values() if tuple(life) in whole} == whole
    assert all(any(cycle[: len(life)] == tuple(life) for cycle in whole) for life in lives.values())
    assert all(sorted(each) == each and each[-1] <= now for each in times.values())
