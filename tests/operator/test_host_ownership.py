"""Which WebhookServer owns a host, and what is exposed for one that doesn't own its hosts."""

from typing import Any

import msgspec
import pytest

from desired.cases import inputs
from support import objects
from support.objects import Body
from trackpush_api.aggregators import PROFILES
from trackpush_api.manifest import age_order
from trackpush_api.vocabulary import AggregatorName
from trackpush_operator.decide import server, webhook
from trackpush_operator.decide.exposed_hosts import without_hosts
from trackpush_operator.decide.host_ownership import ANY_AGGREGATOR, HostPath, claim_of, hosts_of_others, withheld
from trackpush_operator.decide.server import ServerSnapshot
from trackpush_operator.decide.webhook import WebhookSnapshot
from trackpush_operator.desired.exposure import exposure
from trackpush_operator.store.objects import Item, Kind, item_of, resource_of

OLD, NEW = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
SHOP = [{"host": "shop.example"}]
CLICKPOST = [{"host": "shop.example", "aggregators": ["Clickpost"]}]
PARCELKIT = [{"host": "shop.example", "aggregators": ["parcelkit"]}]
SHIPWAY = [{"host": "shop.example", "aggregators": ["Shipway"]}]
EVERY = frozenset({ANY_AGGREGATOR})
OR_ANY = EVERY | {"Clickpost"}


def item(namespace: str = "a", created: str = OLD, uid: str = "1", name: str = "main", **spec: Any) -> Item:
    body = objects.server(name, namespace, **{"hosts": SHOP, **spec})
    body["metadata"]["uid"] = uid
    return item_of(Kind.SERVER, objects.made(body, created=created))


def taken(mine: Item, other: Item) -> frozenset[HostPath]:
    return hosts_of_others(claim_of(mine), [claim_of(other)])


def shop(aggregators: frozenset[AggregatorName] = EVERY) -> frozenset[HostPath]:
    return frozenset(("shop.example", name) for name in aggregators)


BAD_CIDR = {"egress": {"allowedCIDRs": ["10.0.0.0/33"]}}
UNREADABLE = {"limits": {"headerTimeout": "never"}}


@pytest.mark.parametrize(
    ("mine", "other", "expected"),
    [
        pytest.param(item(created=NEW), item("b"), shop(), id="the older has it"),
        pytest.param(item(), item("b", created=NEW), frozenset(), id="the younger has nothing of it"),
        pytest.param(item("a", uid="2"), item("z", uid="1"), shop(), id="in one second the UID decides, not the name"),
        pytest.param(item("z", uid="1"), item("a", uid="2"), frozenset(), id="and the other way round"),
        pytest.param(item(created=NEW), item("b", **BAD_CIDR), frozenset(), id="an invalid range: it owns nothing"),
        pytest.param(item(created=NEW), item("b", **UNREADABLE), frozenset(), id="a spec that can't be read"),
        pytest.param(item(created=NEW), item("b", name="a.b"), frozenset(), id="a name that no Service can have"),
        pytest.param(item(**BAD_CIDR), item("b", created=NEW), shop(), id="an older invalid one loses it"),
        pytest.param(item(**UNREADABLE), item("b", created=NEW), shop(), id="and so does an unreadable one"),
        pytest.param(
            item(created=NEW, hosts=SHIPWAY), item("b", hosts=CLICKPOST), shop(OR_ANY), id="never split by tenants"
        ),
        pytest.param(
            item(created=NEW, hosts=SHIPWAY),
            item("a", name="two", hosts=CLICKPOST),
            shop(frozenset({"Clickpost"})),
            id="within a namespace each aggregator counts by itself",
        ),
        pytest.param(
            item(created=NEW, hosts=[], expose={"ingress": {}}),
            item("b", hosts=[], expose={"ingress": {}}),
            frozenset(("", name) for name in EVERY),
            id="every host",
        ),
        pytest.param(item(created=NEW, hosts=[]), item("b", hosts=[]), frozenset(), id="not exposed, no hosts"),
        pytest.param(
            item(created=NEW), item("b", hosts=[], portal={"host": "shop.example"}), shop(), id="the host of a portal"
        ),
    ],
)  # fmt: skip
def test_a_host_belongs_to_the_oldest_valid_server(mine: Item, other: Item, expected: frozenset[HostPath]) -> None:
    assert taken(mine, other) == expected


def test_a_host_is_withheld_as_a_whole_and_others_stay() -> None:
    mine = item(created=NEW, hosts=[*SHOP, {"host": "mine.example"}])
    older = item("b", hosts=CLICKPOST)
    assert claim_of(mine).hosts >= shop()
    snapshot = ServerSnapshot(name="main", spec=spec_of(mine), older_hosts=taken(mine, older))
    assert server.withheld_hosts(snapshot) == {"shop.example"}
    (found,) = [finding for finding in server.findings(snapshot) if finding.type == "Accepted"]
    assert (found.status, found.reason) == ("False", "HostConflict")
    assert "shop.example, so it is not exposed here; use another host" in found.message


def test_a_portal_does_not_get_the_host_of_another_server() -> None:
    mine = item(created=NEW, hosts=[{"host": "mine.example"}], portal={"host": "shop.example"})
    snapshot = ServerSnapshot(name="main", spec=spec_of(mine), older_hosts=taken(mine, item("b")))
    assert server.withheld_hosts(snapshot) == {"shop.example"}


@pytest.mark.parametrize("case", ["sqlite-portal", "postgres-portal"])
def test_a_portal_and_the_hosts_are_exposed_each_without_the_other(case: str) -> None:
    def names(withheld_hosts: set[str]) -> set[str]:
        made = exposure(withholding(inputs(case), frozenset(withheld_hosts)))
        if made is None:
            return set()
        spec = made["spec"]
        return set(spec["hostnames"]) if "hostnames" in spec else {rule["host"] for rule in spec["rules"]}

    assert names(set()) == {*ALL_HOSTS, "portal.increff.com"}
    assert names({"portal.increff.com"}) == ALL_HOSTS
    assert names({*ALL_HOSTS}) == {"portal.increff.com"}
    assert names({*ALL_HOSTS, "portal.increff.com"}) == set()


def spec_of(found: Item) -> Any:
    return resource_of(found)[0].spec


@pytest.mark.parametrize(
    ("withheld_hosts", "hosts"),
    [
        (frozenset(), ["saas.increff.com", "saas.nextscm.com"]),
        (frozenset({"saas.increff.com"}), ["saas.nextscm.com"]),
        (frozenset({"other.example"}), ["saas.increff.com", "saas.nextscm.com"]),
    ],
)
def test_an_ingress_has_no_rule_and_no_certificate_for_a_withheld_host(
    withheld_hosts: frozenset[str], hosts: list[str]
) -> None:
    made = exposure(withholding(inputs("sqlite-ingress"), withheld_hosts))
    assert made is not None
    assert [rule["host"] for rule in made["spec"]["rules"]] == hosts
    assert made["spec"]["tls"][0]["hosts"] == hosts


def withholding(given: Any, hosts: frozenset[str]) -> Any:
    return msgspec.structs.replace(given, withheld_hosts=hosts)


ALL_HOSTS = frozenset({"saas.increff.com", "saas.nextscm.com"})


@pytest.mark.parametrize("case", ["sqlite-ingress", "postgres-http-route"])
def test_nothing_is_exposed_when_every_host_is_withheld(case: str) -> None:
    assert exposure(withholding(inputs(case), ALL_HOSTS)) is None


def test_a_route_names_the_hosts_that_are_left() -> None:
    made = exposure(withholding(inputs("postgres-http-route"), frozenset({"saas.increff.com"})))
    assert made is not None
    assert made["spec"]["hostnames"] == ["saas.nextscm.com"]
    (rule,) = made["spec"]["rules"]
    assert [path_match["path"]["value"] for path_match in rule["matches"]] == ["/rms/in/api/shipway"]


def test_a_server_without_hosts_is_not_exposed_for_every_host_if_another_one_is() -> None:
    bare = inputs("minimal", expose={"ingress": {}})
    assert exposure(bare) is not None
    assert exposure(withholding(bare, frozenset({""}))) is None


def ingress(*hosts: str) -> Body:
    rules = [{"host": host} if host else {} for host in hosts]
    return {"kind": "Ingress", "spec": {"rules": rules, "tls": [{"secretName": "t", "hosts": list(hosts)}]}}


def route(*hosts: str) -> Body:
    return {"kind": "HTTPRoute", "spec": {"hostnames": list(hosts)}}


@pytest.mark.parametrize(
    ("body", "taken_hosts", "left"),
    [
        (ingress("a", "b"), {"a"}, ingress("b")),
        (ingress("a"), {"a"}, None),
        (ingress("a"), {""}, ingress("a")),
        (ingress(""), {""}, None),
        (route("a", "b"), {"b"}, route("a")),
        (route("a"), {"a"}, None),
        (route(), {""}, None),
        (route(), {"a"}, route()),
    ],
)
def test_hosts_of_others_are_taken_out_of_what_is_exposed(body: Body, taken_hosts: set[str], left: Body | None) -> None:
    assert without_hosts(body, taken_hosts) == left


def test_a_webhooks_url_never_names_a_host_of_another_server() -> None:
    found = item(hosts=[*SHOP, {"host": "mine.example"}])
    snapshot = WebhookSnapshot(
        facts=PROFILES["Clickpost"],
        server="a/main",
        server_spec=spec_of(found),
        withheld=frozenset({"shop.example"}),
    )
    assert webhook.url(snapshot) == "https://mine.example/rms/in/api/clickpost/notify"
    alone = WebhookSnapshot(
        facts=PROFILES["Clickpost"],
        server="a/main",
        server_spec=spec_of(item()),
        withheld=frozenset({"shop.example"}),
    )
    assert webhook.url(alone) is None
    assert "Another WebhookServer than a/main has shop.example" in (webhook.setup(alone) or "")


def test_age_is_decided_by_time_then_by_uid() -> None:
    assert age_order(OLD, "z") < age_order(NEW, "a")
    assert age_order(OLD, "a") < age_order(OLD, "b")
    assert age_order(NEW, "z") < age_order("", "a"), "what has no time is the youngest"
    assert withheld(spec_of(item()), frozenset()) == frozenset()


@pytest.mark.parametrize(
    ("mine", "other", "is_withheld"),
    [
        pytest.param(SHOP, CLICKPOST, True, id="all aggregators, one of them is taken"),
        pytest.param(PARCELKIT, SHOP, True, id="one aggregator, all are taken"),
        pytest.param(PARCELKIT, PARCELKIT, True, id="the same definition"),
        pytest.param(PARCELKIT, CLICKPOST, False, id="another aggregator"),
    ],
)
def test_within_a_namespace_a_host_without_aggregators_has_all_of_them_those_of_definitions_too(
    mine: list[Body], other: list[Body], *, is_withheld: bool
) -> None:
    younger = item(created=NEW, hosts=mine)
    found = withheld(spec_of(younger), taken(younger, item("a", name="two", hosts=other)))
    assert found == (frozenset({"shop.example"}) if is_withheld else frozenset())
