"""One behaviour test per feature that other webhook servers lack and Trackpush has, named after the feature.

Short on purpose; the depths of each are tested where it is built. The console (test_console.py) and the traces
(test_traces.py) are in files of their own.
"""

import asyncio
import base64
import re
import ssl
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
import trustme
import yaml
from aiohttp import web

from peers.conftest import QUICK, Open
from support.authority import open_authority
from support.deadline import until
from support.journal_file import journal_file
from support.serving import account
from support.sink import Arrival
from trackpush_api.routing import Filter, RateLimit, Retention, Retry, TlsMaterial
from trackpush_api.vocabulary import Aggregator, Direction
from trackpush_server.pusher import policy, render

ROOT = Path(__file__).parents[2]
DELIVERED = {"client": "acme", "states": ["delivered"], "dryRun": True}
ROWS = (
    "needs", "inbound verification", "many clients keys on one url", "durable before the answer",
    "retry schedule per endpoint", "jitter", "retry after", "410 stops", "redirects not followed",
    "breaker pause and probe", "order per key", "rate limit per endpoint", "bulk and time range replay",
    "dedupe of inbound", "signing and rotation overlap", "oauth2 out", "mtls out", "ssrf guard", "filters on content",
    "retention erase redaction", "cli", "metrics", "helm crds health in status",
)  # fmt: skip
"""The table's rows; a row of two things is two here."""


async def always(status: int, **headers: str) -> web.Response:
    return web.Response(status=status, headers={name.replace("_", "-"): value for name, value in headers.items()})


async def test_needs_nothing(place: Open) -> None:
    async with place() as here:
        await here.post(1)
        await here.arrived(1)
        assert {file.name.partition(".")[0] for file in (here.folder / "data").iterdir()} == {"journal"}


@pytest.mark.parametrize("aggregator", list(Aggregator))
async def test_inbound_verification_per_aggregator(place: Open, aggregator: Aggregator) -> None:
    of_all = [account(aggregator, f"key-of-{aggregator.slug}") for aggregator in Aggregator]
    async with place(None, *of_all) as here:
        for wrong in ("wrong", *(f"key-of-{other.slug}" for other in Aggregator if other is not aggregator)):
            assert [status for status, _ in await here.post(1, key=wrong, aggregator=aggregator)] == [401]
        assert [status for status, _ in await here.post(1, key=f"key-of-{aggregator.slug}", aggregator=aggregator)] == [
            200
        ]
        await here.arrived(1)


async def test_many_clients_keys_on_one_url(place: Open) -> None:
    accounts = [
        account(Aggregator.CLICKPOST, f"key-{name}", name=f"{name}/clickpost", destinations=to)
        for name, to in (("acme", ["acme/push"]), ("zeta", ["zeta/push"]))
    ]
    async with place(None, *accounts) as here:
        await here.post(1, key="key-acme")
        await here.post(2, key="key-zeta")  # its PushConfig isn't there yet: it waits
        await here.post(3, key="key-acme")
        assert {arrival.mark for arrival in await here.arrived(2)} == {1, 3}


async def test_durable_before_the_answer(place: Open) -> None:
    async with place(lambda _: always(500)) as here:
        for mark in range(20):
            await here.post(mark)
            with journal_file(here.folder / "data" / "journal.db") as other:
                assert other.execute("SELECT count(*) FROM updates").fetchone() == (mark + 1,)


async def test_retry_schedule_per_endpoint(place: Open) -> None:
    schedule = Retry(schedule=(0.1, 0.3), max_age=60, jitter=0.0)

    async def third(_: Arrival) -> int:
        return 200 if len(here.sink.arrivals) > 2 else 500

    async with place(third, retry=schedule) as here:
        await here.post(1)
        first, second = (after.at - before.at for before, after in pairwise(await here.arrived(3)))
        assert 0.1 <= first < 0.3 <= second


def test_jitter() -> None:
    delays = {policy.backoff(Retry(), 1, chance / 10) for chance in range(10)}
    assert len(delays) == 10
    assert min(delays) >= 0.8 * 5
    assert max(delays) <= 1.2 * 5


async def test_retry_after(place: Open) -> None:
    async def later(_: Arrival) -> web.Response:
        return await always(200 if len(here.sink.arrivals) > 1 else 503, Retry_After="1")

    async with place(later, retry=Retry(schedule=(0.01,), jitter=0.0)) as here:
        await here.post(1)
        before, after = await here.arrived(2)
        assert after.at - before.at >= 1


async def test_410_stops(place: Open) -> None:
    async with place(lambda _: always(410)) as here:
        await here.post(1, 2, 3)
        await here.arrived(1)
        async with asyncio.timeout(30):
            while not (found := (await here.admin("GET", "/undelivered"))["pushConfigs"]):
                pass
        assert found[0]["reason"] == "EndpointGone"
        await here.post(4)
        tried = len(here.sink.arrivals)
        here.sink.behaviour = lambda _: always(200)
        await here.configure(timeout=9.0)  # a change of its PushConfig resumes it
        await until(lambda: here.sink.marks == {1, 2, 3, 4}, seconds=30, what="all arrived after all")
        assert tried <= 3, "nothing new is sent to an endpoint that is gone"


async def test_redirects_not_followed(place: Open) -> None:
    async def away(_: Arrival) -> web.Response:
        return await always(307, Location=here.sink.url.replace("/hooks", "/elsewhere"))

    async with place(away) as here:
        await here.post(1)
        await here.arrived(3)
        assert (await here.admin("GET", "/metrics")).count('result="3xx"') >= 1


async def test_breaker_pause_and_probe(place: Open) -> None:
    healthy = asyncio.Event()

    async def sick(_: Arrival) -> int:
        return 200 if healthy.is_set() else 503

    async with place(sick, retry=Retry(schedule=(0.001,), jitter=0.0)) as here:
        begun = time.monotonic()
        await here.post(*range(30))
        async with asyncio.timeout(30):
            while not (await here.admin("GET", "/undelivered"))["pushConfigs"]:
                pass
        probes = (time.monotonic() - begun) / (0.8 * 0.05)
        assert len(here.sink.arrivals) < 40 + probes, "30 pushes wait for one that probes"
        healthy.set()
        await until(lambda: here.sink.marks == set(range(30)), seconds=30, what="drained after the probe")


async def test_order_per_key_shipment(place: Open) -> None:
    async def at_random(arrival: Arrival) -> int:
        return 500 if (arrival.mark or 0) % 3 == 0 and counts(arrival) == 1 else 200

    def counts(arrival: Arrival) -> int:
        return sum(other.webhook_id == arrival.webhook_id for other in here.sink.arrivals)

    async with place(at_random, retry=Retry(schedule=(0.01,), jitter=0.0)) as here:
        await asyncio.gather(here.post(*range(1, 10), shipment=1), here.post(*range(11, 20), shipment=2))
        await here.arrived(18 + 6)
        for shipment in (range(1, 10), range(11, 20)):
            last = [arrival.mark for arrival in here.sink.arrivals if arrival.mark in shipment]
            assert sorted(last) == last


async def test_rate_limit_per_endpoint(place: Open) -> None:
    async with place(rate_limit=RateLimit(requests=5, per=0.5)) as here:
        await here.post(*range(15))
        arrivals = await here.arrived(15)
        assert arrivals[-1].at - arrivals[0].at >= 0.9


async def test_bulk_and_time_range_replay(place: Open) -> None:
    async with place() as here:
        await here.post(*range(5))
        await here.arrived(5)
        request = {"pushConfig": "acme/push", "states": ["delivered"], "since": "2020-01-01T00:00:00Z"}
        async with asyncio.timeout(30):
            while (await here.job("/api/v1/replays", {**request, "dryRun": True}))["found"] != {
                "acme/push": {"delivered": 5}
            }:
                pass
        await here.job("/api/v1/replays", request)
        again = await here.arrived(5, of=lambda arrival: arrival.headers.get("trackpush-replay") == "1")
        assert len({arrival.webhook_id for arrival in here.sink.arrivals}) == 5
        assert len(again) == 5


async def test_dedupe_of_inbound_by_the_aggregators_identity(place: Open) -> None:
    async with place() as here:
        (first,) = await here.post(1)
        (repeat,) = await here.post(1)
        assert (first[1], repeat[1]) == ({"accepted": 1, "duplicates": 0}, {"accepted": 0, "duplicates": 1})
        await here.post(2)
        assert [arrival.mark for arrival in await here.arrived(2)] == [1, 2]


async def test_signing_and_rotation_overlap(place: Open) -> None:
    old, new = (f"whsec_{base64.b64encode(letter * 24).decode()}" for letter in (b"o", b"n"))
    async with place(signing=(old,)) as here:
        await here.post(1)
        await here.arrived(1)
        await here.configure(signing=(new, old))
        await here.post(2)
        for arrival, secrets in zip(await here.arrived(2), ((old,), (new, old)), strict=True):
            keys, stamp = render.signing_keys(secrets), int(arrival.headers["webhook-timestamp"])
            wanted = render.signature(keys, arrival.webhook_id, stamp, arrival.body)
            assert arrival.headers["webhook-signature"] == wanted


async def test_oauth2_out(place: Open) -> None:
    async with open_authority() as authority, place(oauth2=authority.credentials) as here:
        await here.post(1, 2)
        assert {arrival.headers["authorization"] for arrival in await here.arrived(2)} == {"Bearer token-1-of-acme"}
        assert len(authority.asked) == 1


async def test_mtls_out(place: Open) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    ours = authority.issue_cert("trackpush@acme.example.test")
    tls = TlsMaterial(
        ca=authority.cert_pem.bytes().decode(),
        certificate="".join(blob.bytes().decode() for blob in ours.cert_chain_pems),
        private_key=ours.private_key_pem.bytes().decode(),
    )
    async with place(context=context, tls=tls) as here:
        await here.post(1)
        (arrival,) = await here.arrived(1)
        assert arrival.certificate is not None


async def test_ssrf_guard_at_the_socket(place: Open) -> None:
    async with place(url="http://169.254.169.254/latest/meta-data") as here:
        await here.post(1)
        async with asyncio.timeout(30):
            while 'result="denied"' not in await here.admin("GET", "/metrics"):
                pass


async def test_filters_on_content_statuses_direction_cel(place: Open) -> None:
    async with place(filter=Filter(statuses=frozenset({"DELIVERED"}), directions=frozenset(Direction))) as here:
        await here.post(1)
        await here.configure(filter=Filter(statuses=None, directions=frozenset(Direction)))
        await here.post(2)
        await here.configure(filter=Filter(expression="shipment.awb == 'none'"))
        await here.post(3)
        await here.configure(filter=Filter(expression="raw.clickpost_status_code == 5"))
        await here.post(4)
        assert [arrival.mark for arrival in await here.arrived(2)] == [2, 4]


async def test_retention_erase_redaction(place: Open) -> None:
    async with place() as here:
        await here.post(1, 2)
        arrivals = await here.arrived(2)
        awb = msgspec.json.decode(arrivals[0].body)["shipment"]["awb"]
        assert (await here.job("/api/v1/erasures", {"awb": awb}))["updates"] == 1
        files = [file.read_bytes() for file in (here.folder / "data").iterdir()]
        assert not any(awb.encode() in content for content in files)
        assert not any(b'"webhook_key"' in arrival.body for arrival in arrivals)
        await here.keep(Retention(delivered=0.1, dead=0.1))
        async with asyncio.timeout(20):
            while (await here.job("/api/v1/replays", DELIVERED))["found"]:
                pass


def test_cli() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "trackpush_cli", "--help"], capture_output=True, text=True, check=True
    )
    for command in ("check", "send", "pushes", "replay", "erase"):
        assert f"\n  {command} " in shown.stdout


async def test_metrics(place: Open) -> None:
    async with place() as here:
        await here.post(1)
        await here.arrived(1)
        metrics = await here.admin("GET", "/metrics")
        for name in ("trackpush_ingest_requests_total", "trackpush_push_attempts_total", "trackpush_queue_age_seconds"):
            assert name in metrics


@pytest.mark.parametrize("kind", ["pushconfigs", "aggregatorwebhooks", "webhookservers"])
def test_helm_crds_health_in_status(kind: str) -> None:
    crd = yaml.safe_load((ROOT / "crds" / f"trackpush.dev_{kind}.yaml").read_text())
    (version,) = crd["spec"]["versions"]
    assert "conditions" in version["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"]
    assert "Ready" in {column["name"] for column in version["additionalPrinterColumns"]}
    assert (ROOT / "helm/trackpush/Chart.yaml").is_file()


async def test_a_slow_receiver_must_not_block_others(place: Open) -> None:
    """What users of others ask for, beneath the table."""
    never = asyncio.Event()

    async def hang(_: Arrival) -> int:
        await never.wait()
        return 200

    fast = account(Aggregator.CLICKPOST, "k")
    async with place(hang, fast, retry=QUICK, max_concurrency=2) as here:
        await here.post(*range(50))
        await here.arrived(2)
        assert [status for status, _ in await here.post(99)] == [200]
        never.set()


def test_every_row_has_a_test_that_is_named_after_it() -> None:
    names = re.findall(r"^(?:async )?def test_(\w+)", Path(__file__).read_text(encoding="utf-8"), re.MULTILINE)
    assert [row for row in ROWS if not any(name.startswith(row.replace(" ", "_")) for name in names)] == []
