"""`trackpush doctor` finds what keeps updates from arriving and says what to do: a real server behind a real proxy."""

import asyncio
import contextlib
import datetime as dt
import io
import socket
import ssl
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import structlog
import trustme
import yaml

from cli.front import Front, standing
from support import definitions, manifests
from support.command import Result, invoked
from support.definitions import KEY_PLACES, NAME, SIGNATURE, definition
from support.manifests import Client
from support.serving import account, serving, table
from support.sink import open_sink
from trackpush_api.aggregators.defined import definition_of
from trackpush_api.kinds import AggregatorDefinitionSpec
from trackpush_api.routing import Destination, Host, RoutingTable
from trackpush_api.vocabulary import Aggregator
from trackpush_cli.doctor import receiver
from trackpush_cli.doctor.outcome import CheckResult
from trackpush_server import logs
from trackpush_server.server import Server

HOST = "saas.example.test"
Check = dict[str, Any]


class Rig(NamedTuple):
    """A server with one client whose endpoint listens, and a proxy in front of it."""

    folder: Path
    server: Server
    data: Path
    front: Front

    async def doctor(self, *arguments: str, env: dict[str, str] | None = None) -> tuple[int, list[Check]]:
        """Exit code and checks."""
        result = await invoked("doctor", str(self.folder), "-o", "json", *arguments, env=env)
        assert result.exit_code in {0, 1}, result.stderr
        return result.exit_code, result.json["checks"]

    async def through_the_front(self) -> list[Check]:
        """Checks of what is behind the proxy."""
        return (await self.doctor("--url", f"http://127.0.0.1:{self.front.port}"))[1]


def of(checks: Iterable[Check], check: str, result: str | None = None) -> list[Check]:
    """Those of one kind."""
    return [row for row in checks if row["check"] == check and result in (None, row["result"])]


@contextlib.asynccontextmanager
async def rigged(
    tmp_path: Path,
    tls: ssl.SSLContext | None = None,
    *,
    given: RoutingTable | None = None,
    aggregator: str = "clickpost",
) -> AsyncIterator[Rig]:
    """The folder says what the server serves."""
    async with open_sink() as sink:
        acme = Client(name="acme", url=sink.url, aggregator=aggregator)
        folder = manifests.write(tmp_path / "resources", [acme])
        given = given or table(
            account(Aggregator.CLICKPOST, acme.key),
            hosts=[Host(host=HOST, aggregators=frozenset(Aggregator))],
            destinations=[Destination(name="acme/push", url=sink.url)],
        )
        logs.configure("json", io.StringIO())
        async with serving(tmp_path, given) as server, standing(server.address, tls) as front:
            yield Rig(folder, server, tmp_path / "data", front)
        structlog.reset_defaults()


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rigged(tmp_path) as made:
        yield made


async def test_a_server_in_order_fails_no_check_and_nothing_is_stored_by_them(rig: Rig) -> None:
    code, checks = await rig.doctor("--url", f"http://127.0.0.1:{rig.front.port}", "--admin", rig.server.admin_address)

    failed = [check for check in checks if check["result"] == "fail"]
    assert failed == []
    assert code == 0
    names = {row["check"] for row in checks if row["result"] == "ok"}
    assert names == {
        "tcp",
        "probe",
        "headers",
        "wrong-key",
        "body-size",
        "server",
        "sqlite",
        "url-words",
        "resources",
        "endpoint",
    }
    listed = await invoked("pushes", "list", "--data", str(rig.data), "-o", "json")
    assert listed.json["pushes"] == []


async def test_a_library_that_loses_commits_is_found(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apsw.sqlite_lib_version", lambda: "3.50.6")

    (found,) = of(await rig.through_the_front(), "sqlite")

    assert found["result"] == "fail"
    assert "SQLite 3.50.6 can lose commits" in found["message"]
    assert "install apsw from its wheel" in found["advice"]


async def test_a_proxy_that_drops_headers_with_underscores_is_found(rig: Rig) -> None:
    rig.front.drops_underscores = True

    (first, *_) = of(await rig.through_the_front(), "headers", "fail")

    assert "webhook_key" in first["message"]
    assert "x-api-key" not in first["message"]
    assert "enable-underscores-in-headers" in first["advice"]


async def test_a_redirect_a_small_limit_of_bodies_and_a_strangers_answer_are_found(rig: Rig) -> None:
    rig.front.redirects = True
    redirected = of(await rig.through_the_front(), "probe", "fail")
    rig.front.redirects, rig.front.most_body = False, 100_000
    limited = of(await rig.through_the_front(), "body-size", "fail")
    rig.front.most_body, rig.front.answers = 10**9, 200
    strange = of(await rig.through_the_front(), "wrong-key", "fail")
    rig.front.answers = 404
    unrouted = of(await rig.through_the_front(), "probe", "fail")

    assert "redirected to https://other.example" in redirected[0]["message"]
    assert "413 by a proxy in front of Trackpush (nginx)" in limited[0]["message"]
    assert "answered 200 by a proxy in front" in strange[0]["message"]
    assert "Ingress or HTTPRoute" in unrouted[0]["advice"]


async def test_the_headers_of_a_definition_are_checked_and_its_refusal_of_unknown_keys(tmp_path: Path) -> None:
    defined = definition(key_places=KEY_PLACES, signature=SIGNATURE)
    own = table(account(NAME, "right", signs=True), definitions=[defined])
    async with serving(tmp_path, own) as server, standing(server.address) as front:
        url = f"http://127.0.0.1:{front.port}/rms/in/api/{NAME}/notify"

        def examined() -> list[CheckResult]:
            return list(receiver.examine(NAME, url, None, max_body=1 << 20, headers=defined.header_names))

        good = await asyncio.to_thread(examined)
        front.drops = frozenset({"x-parcel-signature"})
        bad = await asyncio.to_thread(examined)

    assert [(check.check, check.result) for check in good if check.result != "ok"] == []
    assert {"headers", "wrong-key"} <= {check.check for check in good}
    (lost,) = [check for check in bad if check.result == "fail"]
    assert lost.check == "headers"
    assert "X-Parcel-Signature" in lost.message


async def test_url_examines_the_definitions_that_clients_use_as_well(rig: Rig) -> None:
    (rig.folder / "signers.yaml").write_text(definitions.resources(1))

    checks = await rig.through_the_front()

    (probe,) = [row for row in of(checks, "probe") if row["subject"].endswith("/rms/in/api/parcelkit/notify")]
    assert probe["message"].startswith("GET is answered 404 by Trackpush"), "this server does not serve it"
    assert not [row for row in checks if row["subject"].endswith("/delhivery/notify")], "nobody uses it"


async def test_a_host_without_a_record_is_reported_with_what_to_do(rig: Rig) -> None:
    code, checks = await rig.doctor()

    (found,) = of(checks, "dns", "fail")
    assert (code, found["subject"]) == (1, HOST)
    assert "A or AAAA record" in found["advice"]
    assert not of(checks, "probe")


def certificate(ca: trustme.CA, name: str = HOST, days: int = 90) -> ssl.SSLContext:
    until = dt.datetime.now(dt.UTC) + dt.timedelta(days=days)
    issued = ca.issue_cert(name, not_before=until - dt.timedelta(days=365), not_after=until)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued.configure_cert(context)
    return context


class Case(NamedTuple):
    """A certificate, and what is said of it."""

    result: str
    said: str
    name: str = HOST
    days: int = 90
    trusted: bool = True


CASES = (
    Case("ok", "certificate and chain are valid; 89 days left"),
    Case("warn", "8 days left", days=9),
    Case("fail", "certificate has expired", days=-1),
    Case("fail", "Hostname mismatch", name="other.example.test"),
    Case("fail", "unable to get local issuer certificate", trusted=False),
)


async def test_certificates_are_checked_for_name_chain_and_age(tmp_path: Path) -> None:
    ca, roots = trustme.CA(), tmp_path / "roots.pem"
    async with rigged(tmp_path) as rig:
        for case in CASES:
            (ca if case.trusted else trustme.CA()).cert_pem.write_to_path(str(roots))
            async with standing(rig.server.address, certificate(ca, case.name, case.days)) as front:
                where = ("--connect", f"127.0.0.1:{front.port}")
                _, checks = await rig.doctor(*where, env={"SSL_CERT_FILE": str(roots)})

            (found,) = of(checks, "tls")
            assert (found["result"], case.said in found["message"]) == (case.result, True), found
            assert bool(of(checks, "probe", "ok")) == (case.result != "fail")


async def test_secrets_urls_and_endpoints_that_are_wrong_are_reported_each(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = server.getsockname()[1]
    clients = [
        Client(name="acme", url=f"http://127.0.0.1:{closed}/none"),
        Client(name="bazaar", url="http://10.20.30.40/inside"),
        Client(name="chai", url="http://localhost:1009/x", secrets={"outbound": ""}),
    ]
    words = {"hosts": [{"host": "kr.example.test", "aggregators": ["Shiprocket"]}]}
    folder = manifests.write(tmp_path / "resources", clients, words)

    result = await invoked("doctor", str(folder), "-o", "json")

    failed = {(check["check"], check["subject"]) for check in result.json["checks"] if check["result"] == "fail"}
    assert ("url-words", "WebhookServer trackpush/main") in failed
    assert ("secrets", "PushConfig chai/push") in failed
    assert ("endpoint", "PushConfig acme/push") in failed
    assert ("resources", "PushConfig bazaar/push") in failed
    assert all(check["advice"] for check in result.json["checks"] if check["result"] != "ok")


async def test_people_get_a_table_and_what_to_do(tmp_path: Path) -> None:
    folder = manifests.write(tmp_path / "resources", [Client(name="acme", url="http://127.0.0.1:1009/none")])

    result: Result = await invoked("doctor", str(folder))

    assert result.exit_code == 1
    assert "FAIL" in result.stdout
    assert "WHAT TO DO" in result.stdout
    assert result.stdout.splitlines()[-1].endswith("failed")


async def test_what_cannot_be_examined_ends_with_2(tmp_path: Path) -> None:
    nothing = await invoked("doctor", str(tmp_path))
    wrong = await invoked("doctor", str(tmp_path), "--connect", "nowhere")
    nowhere = await invoked("doctor", "--admin", "http://127.0.0.1:8081")

    assert (nothing.exit_code, wrong.exit_code, nowhere.exit_code) == (2, 2, 2)
    assert "trackpush doctor DIR" in nowhere.stderr
    assert "WebhookServer" in nothing.stderr
    assert "give ADDRESS:PORT" in wrong.stderr


async def test_the_urls_of_definitions_are_checked_with_a_body_of_their_samples(tmp_path: Path) -> None:
    spec = {
        "path": "kit",
        "fields": {"awb": "waybill"},
        "status": {"code": "state", "table": [{"when": "DL", "status": "DELIVERED"}]},
        "samples": [{"name": "one", "body": {"waybill": "1", "state": "DL"}, "expect": [{"awb": "1"}]}],
    }
    defined = definition_of("parcelkit", AggregatorDefinitionSpec.model_validate(spec))
    given = table(account("parcelkit", "key-of-acme"), definitions=[defined])
    async with rigged(tmp_path, given=given, aggregator="parcelkit") as rig:
        body = {"apiVersion": "trackpush.dev/v1alpha1", "kind": "AggregatorDefinition"}
        (rig.folder / "kit.yaml").write_text(
            yaml.safe_dump(body | {"metadata": {"name": "parcelkit", "namespace": "trackpush"}, "spec": spec})
        )
        checks = await rig.through_the_front()
        url = f"http://127.0.0.1:{rig.front.port}/rms/in/api/kit/notify"
    found = {row["check"]: row["result"] for row in checks if row["subject"] == url}
    assert found == dict.fromkeys(["probe", "headers", "wrong-key", "body-size"], "ok")
