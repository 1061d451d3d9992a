"""Aggregators are names: built-in ones, and those of definitions. A wrong one gets the right one as advice."""

from support.rows import every_row
from trackpush_api.compile import Compiled, compile_table
from trackpush_api.kinds.webhook_server import HostRule
from trackpush_api.manifest import parse_manifests
from trackpush_api.problems import Reason
from trackpush_api.routing import Host
from trackpush_api.vocabulary import Aggregator, slug_of

FILE = """\
apiVersion: trackpush.dev/v1alpha1
kind: WebhookServer
metadata: {name: main, namespace: acme}
spec:
  hosts:
    - {host: saas.increff.com, aggregators: [HOSTED]}
---
apiVersion: trackpush.dev/v1alpha1
kind: AggregatorWebhook
metadata: {name: one, namespace: acme}
spec:
  aggregator: NAMED
  keys: [{secretKeyRef: {name: keys, key: one}}]
---
apiVersion: trackpush.dev/v1alpha1
kind: PushConfig
metadata: {name: oms, namespace: acme}
spec:
  url: https://oms.acme.example/
  filter: {aggregators: [FILTERED]}
---
apiVersion: v1
kind: Secret
metadata: {name: keys, namespace: acme}
stringData: {one: a-key-of-sixteen-characters}
"""


def compiled(*, hosted: str = "Clickpost", named: str = "Clickpost", filtered: str = "Clickpost") -> Compiled:
    text = FILE.replace("HOSTED", hosted).replace("NAMED", named).replace("FILTERED", filtered)
    parsed = parse_manifests({"a.yaml": text})
    found = compile_table(parsed.resources, parsed.secrets)
    return Compiled(table=found.table, problems=parsed.problems + found.problems)


@every_row("place", ["hosted", "named", "filtered"])
@every_row(
    ("written", "said"),
    [
        ("clickpost", "found 'clickpost'; did you mean Clickpost?"),
        ("shiprocket", "found 'shiprocket'; did you mean Shiprocket?"),
        ("SHIPWAY", "found 'SHIPWAY'; did you mean Shipway?"),
        ("ShipRocket", "found 'ShipRocket'; did you mean Shiprocket?"),
        ("parcel_kit", "found 'parcel_kit'; write Clickpost, Shiprocket, Shipway, or the name of an Aggregator"),
        ("8", "must be a string, found the number 8: put it in quotes"),
    ],
)
def test_a_misspelt_name_gets_the_right_one_as_advice(place: str, written: str, said: str) -> None:
    first, *_ = map(str, compiled(**{place: written}).problems)
    assert said in first


@every_row(
    ("written", "said"),
    [
        ("clikpost", "there is no aggregator 'clikpost'; did you mean Clickpost?"),
        (
            "parcelkit",
            (
                "there is no aggregator 'parcelkit'; write one of Clickpost, Shiprocket, Shipway,"
                " or add AggregatorDefinition acme/parcelkit"
            ),
        ),
    ],
)
def test_an_account_of_an_aggregator_that_nothing_defines_is_refused_by_name(written: str, said: str) -> None:
    found = compiled(named=written)
    (problem,) = found.problems
    assert str(problem) == f"a.yaml:12: AggregatorWebhook acme/one spec.aggregator: {said}"
    assert (problem.reason, problem.condition) == (Reason.UNKNOWN_AGGREGATOR, "Accepted")
    assert found.table is not None
    assert found.table.accounts == ()


def test_a_host_of_an_aggregator_that_nothing_defines_is_reported_and_serves_the_others() -> None:
    found = compiled(hosted="Clickpost, parcelkit")
    (problem,) = found.problems
    assert str(problem).startswith(
        "a.yaml:6: WebhookServer acme/main spec.hosts[0].aggregators[1]: there is no aggregator 'parcelkit'"
    )
    assert problem.reason is Reason.UNKNOWN_AGGREGATOR
    assert found.table is not None
    assert found.table.server.hosts[0].serves("Clickpost")


def test_a_filter_may_name_an_aggregator_that_does_not_exist_yet() -> None:
    found = compiled(filtered="parcelkit")
    assert found.problems == ()
    assert found.table is not None
    assert found.table.destinations[0].filter.aggregators == {"parcelkit"}


def test_a_host_without_aggregators_serves_all_of_them_whatever_their_names() -> None:
    open_host = Host(host="a", aggregators=frozenset(Aggregator), every=True)
    assert open_host.serves("parcelkit")
    assert HostRule(host="a").serves("parcelkit")
    assert not Host(host="a", aggregators=frozenset({"Clickpost"})).serves("parcelkit")
    assert not HostRule(host="a", aggregators=["Clickpost"]).serves("parcelkit")


@every_row(("name", "slug"), [("Clickpost", "clickpost"), ("parcelkit", "parcelkit")])
def test_clients_and_metrics_see_the_lower_case_name(name: str, slug: str) -> None:
    assert slug_of(name) == slug
