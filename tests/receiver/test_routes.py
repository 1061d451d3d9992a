"""Host and path say which aggregator posts."""

from support.rows import every_row
from trackpush_api.routing import Definition, Host, ServerSettings
from trackpush_api.vocabulary import Aggregator
from trackpush_server.receiver.routes import Route, Routes

INCREFF = Host(host="saas.increff.com", aggregators=frozenset({Aggregator.CLICKPOST, Aggregator.SHIPROCKET}))
NEXTSCM = Host(host="saas.nextscm.com", aggregators=frozenset({Aggregator.SHIPWAY}))
ROUTES = Routes(ServerSettings(name="trackpush/main", hosts=(INCREFF, NEXTSCM)))
CLICKPOST = "/rms/in/api/clickpost/notify"


@every_row(
    ("path", "route"),
    [
        (CLICKPOST, Route(Aggregator.CLICKPOST)),
        (f"{CLICKPOST}/", Route(Aggregator.CLICKPOST)),
        (f"{CLICKPOST}/k-1", Route(Aggregator.CLICKPOST, "k-1")),
        (f"{CLICKPOST}/k-1/", Route(Aggregator.CLICKPOST, "k-1")),
        ("/rms/in/api/st/notify", Route(Aggregator.SHIPROCKET)),
        ("/rms/in/api/shipway/notify/x%2Fy", Route(Aggregator.SHIPWAY, "x%2Fy")),
        ("/rms/in/api/shiprocket/notify", None),
        ("/rms/in/api/clickpost", None),
        (f"{CLICKPOST}/a/b", None),
        (f"{CLICKPOST}//", Route(Aggregator.CLICKPOST)),
        (f"{CLICKPOST}//k-1", Route(Aggregator.CLICKPOST, "k-1")),
        ("//rms/in//api/clickpost/notify", Route(Aggregator.CLICKPOST)),
        ("/RMS/In/api/ClickPost/NOTIFY/Key", Route(Aggregator.CLICKPOST, "Key")),
        ("/rms/in/api/ST/Notify/", Route(Aggregator.SHIPROCKET)),
        ("/in/api/clickpost/notify", None),
        ("/x/rms/in/api/clickpost/notify", None),
        ("/", None),
        ("", None),
        ("/livez", None),
    ],
)
def test_the_path_names_the_aggregator_and_may_hold_the_key(path: str, route: Route | None) -> None:
    assert ROUTES.find("127.0.0.1", path) == route


@every_row(
    ("host", "served"),
    [
        ("saas.increff.com", {Aggregator.CLICKPOST, Aggregator.SHIPROCKET}),
        ("SAAS.increff.com.:443", {Aggregator.CLICKPOST, Aggregator.SHIPROCKET}),
        ("saas.nextscm.com", {Aggregator.SHIPWAY}),
        ("other.example", set()),
        ("saas.increff.com.evil.example", set()),
        ("main.evil.svc.example", set()),
        ("localhost:8080", set(Aggregator)),
        ("10.1.2.3:8080", set(Aggregator)),
        ("[::1]:8080", set(Aggregator)),
        ("main", set(Aggregator)),
        ("trackpush-main.trackpush.svc.cluster.local", set(Aggregator)),
        ("main.trackpush.svc", set(Aggregator)),
        ("main.other.svc", set()),
        ("main.svc.evil.example", set()),
        ("main.trackpush.svc.evil.example", set()),
        ("localhost:", set(Aggregator)),
        ("", set(Aggregator)),
    ],
)
def test_the_host_says_which_aggregators_are_served(host: str, served: set[Aggregator]) -> None:
    assert ROUTES.served(host) == served


def test_a_server_that_names_no_host_serves_them_all() -> None:
    assert Routes(ServerSettings(name="a/b")).served("any.example") == set(Aggregator)


@every_row("base", ["/", "", "/hooks", "hooks/", "/a/b"])
def test_the_base_path_is_the_servers(base: str) -> None:
    prefix = f"/{base.strip('/')}" if base.strip("/") else ""

    assert Routes(ServerSettings(name="a/b", base_path=base)).find("", f"{prefix}/st/notify") is not None


def test_hosts_that_callers_make_up_take_no_memory() -> None:
    routes = Routes(ServerSettings(name="a/b", hosts=(INCREFF,)))
    for number in range(5000):
        routes.served(f"{number}.example")

    assert len(routes._remembered) <= 1024


def test_a_host_that_lists_no_aggregators_serves_them_all() -> None:
    every = Host(host="a.example", aggregators=frozenset({Aggregator.SHIPWAY}), every=True)
    assert Routes(ServerSettings(name="a/b", hosts=(every,))).served("a.example") == set(Aggregator)


def test_a_definition_is_served_at_its_own_path_at_hosts_that_name_it() -> None:
    only = Host(host="only.example", aggregators=frozenset({"parcelkit"}))
    every = Host(host="every.example", aggregators=frozenset(Aggregator), every=True)
    definition = Definition(name="parcelkit", path="parcels", spec="{}")
    routes = Routes(ServerSettings(name="trackpush/main", hosts=(only, every, INCREFF)), [definition])
    path = "/rms/in/api/parcels/notify"

    assert routes.find("only.example", path) == Route("parcelkit")
    assert routes.find("every.example", f"{path}/k-1") == Route("parcelkit", "k-1")
    assert routes.find("127.0.0.1", "/rms/in/api//PARCELS/notify/") == Route("parcelkit")
    assert routes.find("saas.increff.com", path) is None
    assert routes.find("only.example", CLICKPOST) is None
    assert routes.find("127.0.0.1", "/rms/in/api/parcelkit/notify") is None


def test_a_definition_takes_no_path_of_a_built_in_aggregator() -> None:
    definition = Definition(name="parcelkit", path="st", spec="{}")
    routes = Routes(ServerSettings(name="trackpush/main"), [definition])

    assert routes.find("127.0.0.1", "/rms/in/api/st/notify") == Route(Aggregator.SHIPROCKET)


@every_row(
    ("host", "path", "may"),
    [
        ("saas.increff.com", "/rms/in/api/parcelkit/notify", True),
        ("saas.increff.com", "/rms/in/api/ParcelKit/notify/k-1/", True),
        ("10.1.2.3:8080", "/rms/in/api/parcelkit/notify", True),
        ("other.example", "/rms/in/api/parcelkit/notify", False),
        ("saas.increff.com", "/rms/in/api/shipway/notify", False),
        ("saas.increff.com", "/rms/in/api/parcelkit", False),
        ("saas.increff.com", "/rms/in/api/parcelkit/notify/a/b", False),
        ("saas.increff.com", "/in/api/parcelkit/notify", False),
        ("saas.increff.com", "/rms/in/api/a/b/notify", False),
        ("saas.increff.com", "/", False),
    ],
)
def test_a_url_of_the_usual_form_may_be_that_of_an_aggregator_that_is_not_loaded(
    host: str, path: str, *, may: bool
) -> None:
    assert ROUTES.may_be_missing(host, path) is may
