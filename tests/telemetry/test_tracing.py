"""Traces: from the aggregator's request through the journal to each push, over restarts, to a real collector."""

import asyncio
import contextlib
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from kube.fixtures import GoProgram
from support.bodies import FORMATS, awb, body
from support.collector import BUILD_SECONDS, Collector, collecting, environment
from support.deadline import until
from support.manifests import Client, write
from support.server import ServerProcess
from support.sink import Arrival, Sink, open_sink
from trackpush_runtime.errors import CannotStartError
from trackpush_server.tracing.environment import is_on, sampled_share, tracing
from trackpush_server.tracing.sampling import Share

pytestmark = [pytest.mark.slow, pytest.mark.timeout(BUILD_SECONDS)]
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"
QUICK = {"retry": {"schedule": ["50ms"]}, "timeout": "5s"}


@pytest.fixture
async def collector(go_program: GoProgram, tmp_path: Path) -> AsyncIterator[Collector]:  # noqa: ARG001  marks the test
    async with collecting(tmp_path / "collector") as running:
        yield running


@contextlib.asynccontextmanager
async def traced(
    tmp_path: Path, client: Client, variables: dict[str, str], *arguments: str
) -> AsyncIterator[ServerProcess]:
    """A server as its own process, with these variables in its environment."""
    server = ServerProcess(write(tmp_path / "resources", [client]), tmp_path / "data", arguments=arguments)
    with environment(variables):
        try:
            await server.start()
            yield server
        finally:
            await server.close()


async def post(server: ServerProcess, client: Client, mark: int, *, key: str | None = None, **headers: str) -> int:
    format_ = FORMATS[client.aggregator]
    url = f"{server.url}/rms/in/api/{format_.segment}/notify"
    given = {format_.key_header: key or client.key, **headers}
    content = body(client.aggregator, mark=mark, shipment=mark, second=mark)
    async with aiohttp.ClientSession() as session, session.post(url, data=content, headers=given) as answer:
        return answer.status


def client_of(sink: Sink) -> Client:
    return Client(name="acme", url=f"{sink.url}?token=s3cret", delivery=QUICK)


async def test_a_trace_goes_from_the_aggregator_through_a_restart_to_each_attempt_and_on_to_the_client(
    tmp_path: Path, collector: Collector
) -> None:
    refuses = asyncio.Event()

    async def behave(_: Arrival) -> int:
        return 200 if refuses.is_set() else 503

    async with open_sink(behave) as sink:
        client = client_of(sink)
        async with traced(tmp_path, client, dict(collector.environment)) as server:
            assert await post(server, client, 1, traceparent=TRACEPARENT) == 200
            await collector.has("push", 1, http__response__status_code=503)
            await server.kill()
            refuses.set()
            await server.start()
            (delivered,) = await collector.has("push", 1, http__response__status_code=200)

    (receipt,) = collector.of("receive")
    assert (receipt.trace_id, receipt.parent_id, receipt.kind, receipt.failed) == (TRACE, PARENT, "server", False)
    pushes = collector.of("push")
    assert {push.trace_id for push in pushes} == {TRACE}
    assert {push.parent_id for push in pushes} == {receipt.span_id}
    assert {push.kind for push in pushes} == {"client"}
    assert [push.failed for push in pushes] == [push.attributes["http.response.status_code"] == 503 for push in pushes]
    assert delivered.attributes["trackpush.push_config"] == "acme/push"
    assert delivered.attributes["http.request.resend_count"] >= 1
    told = {arrival.headers["traceparent"] for arrival in sink.arrivals}
    assert {f"00-{TRACE}-{push.span_id}-01" for push in pushes} <= told
    assert receipt.resource["service.name"] == "trackpush"


async def test_spans_hold_nothing_of_a_person_and_no_secret(tmp_path: Path, collector: Collector) -> None:
    async with open_sink() as sink:
        client = client_of(sink)
        async with traced(tmp_path, client, {**collector.environment, "OTEL_SERVICE_NAME": "rms-tracking"}) as server:
            assert await post(server, client, 1) == 200
            (pushed,) = await collector.has("push", 1)
            await collector.has("receive", 1)

    everything = "".join(collector.raw)
    assert pushed.resource["service.name"] == "rms-tracking"
    assert (pushed.attributes["server.address"], pushed.attributes["server.port"]) == ("127.0.0.1", sink.port)
    for hidden in (awb(1), f"SO-{awb(1)}", "mark-", client.key, client.header_value, "s3cret", "/hooks"):
        assert hidden not in everything


async def test_requests_without_a_known_key_make_no_spans(tmp_path: Path, collector: Collector) -> None:
    async with open_sink() as sink:
        client = client_of(sink)
        async with traced(tmp_path, client, dict(collector.environment)) as server:
            for _ in range(5):
                assert await post(server, client, 1, key="wrong", traceparent=TRACEPARENT) == 401
            assert await post(server, client, 2) == 200
            await collector.has("push", 1)
            assert await server.terminate() == 0
    assert [span.name for span in collector.spans if span.trace_id == TRACE] == []


async def test_a_sampled_flag_of_the_aggregator_makes_no_more_traces_than_the_share(
    tmp_path: Path, collector: Collector
) -> None:
    none = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0"}
    async with open_sink() as sink:
        client = client_of(sink)
        async with traced(tmp_path, client, {**collector.environment, **none}) as server:
            assert await post(server, client, 1, traceparent=TRACEPARENT) == 200
            await until(lambda: sink.marks == {1}, seconds=30, what="the push")
            assert await server.terminate() == 0
    assert collector.spans == []
    (arrival,) = sink.arrivals
    assert re.fullmatch(f"00-{TRACE}-[0-9a-f]{{16}}-00", arrival.headers["traceparent"]), "the client is told so, too"


async def test_a_trace_that_the_aggregator_does_not_record_is_not_recorded_here(
    tmp_path: Path, collector: Collector
) -> None:
    async with open_sink() as sink:
        client = client_of(sink)
        async with traced(tmp_path, client, dict(collector.environment)) as server:
            assert await post(server, client, 1, traceparent=f"00-{TRACE}-{PARENT}-00") == 200
            assert await post(server, client, 2, traceparent="nonsense") == 200
            await until(lambda: sink.marks == {1, 2}, seconds=30, what="the pushes")
            assert await server.terminate() == 0
    assert TRACE not in {span.trace_id for span in collector.spans}
    assert len(collector.of("receive")) == 1, "what is no traceparent begins a trace of ours"


async def test_a_trace_passes_from_a_receiving_process_to_the_one_that_pushes(
    tmp_path: Path, collector: Collector
) -> None:
    async with open_sink() as sink:
        client = client_of(sink)
        async with traced(tmp_path, client, dict(collector.environment), "--receivers", "2") as server:
            assert await post(server, client, 1, traceparent=TRACEPARENT) == 200
            (pushed,) = await collector.has("push", 1)
            (receipt,) = await collector.has("receive", 1)
            assert await server.terminate() == 0
    assert receipt.trace_id == pushed.trace_id == TRACE
    assert pushed.parent_id == receipt.span_id


async def test_a_collector_that_is_down_slows_nothing_and_fills_no_log(tmp_path: Path) -> None:
    async with open_sink() as sink:
        client = client_of(sink)
        nowhere = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_BSP_SCHEDULE_DELAY": "50"}
        async with traced(tmp_path, client, nowhere) as server:
            for mark in range(30):
                assert await post(server, client, mark) == 200
            await until(lambda: len(sink.marks) == 30, seconds=30, what="all pushes")
            assert await server.terminate() == 0
    told = [line["event"] for line in server.log if line.get("level") == "warning"]
    assert told == ["traces_not_exported"], "one line a minute"


async def test_a_collector_that_hangs_holds_no_end_up(tmp_path: Path) -> None:
    asked = asyncio.Event()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer):
            await reader.read(1)
            asked.set()
            while await reader.read(65536):  # to the end of the connection, without a word
                pass

    collector = await asyncio.start_server(hang, "127.0.0.1", 0)
    port = collector.sockets[0].getsockname()[1]
    patient = {"OTEL_EXPORTER_OTLP_TIMEOUT": "60", "OTEL_BSP_SCHEDULE_DELAY": "50"}
    with contextlib.closing(collector):
        async with open_sink() as sink:
            client = client_of(sink)
            hanging = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}", **patient}
            async with traced(tmp_path, client, hanging) as server:
                assert await post(server, client, 1) == 200
                await until(asked.is_set, seconds=30, what="an export")
                assert await server.terminate() == 0


async def test_without_an_endpoint_there_is_no_tracing_and_clients_get_no_header(tmp_path: Path) -> None:
    async with open_sink() as sink:
        client = client_of(sink)
        async with traced(tmp_path, client, {}) as server:
            assert await post(server, client, 1, traceparent=TRACEPARENT) == 200
            await until(lambda: sink.marks == {1}, seconds=30, what="the push")
    assert "traceparent" not in sink.arrivals[0].headers


async def test_latencies_lead_to_their_trace_where_the_scraper_takes_openmetrics(
    tmp_path: Path, collector: Collector
) -> None:
    async with open_sink() as sink:
        client = client_of(sink)
        async with traced(tmp_path, client, dict(collector.environment)) as server:
            assert await post(server, client, 1, traceparent=TRACEPARENT) == 200
            await until(lambda: sink.marks == {1}, seconds=30, what="the push")
            await collector.has("push", 1)
            plain = (await server.probe("/metrics")).text
            async with (
                aiohttp.ClientSession(headers={"Accept": "application/openmetrics-text; version=1.0.0"}) as session,
                session.get(f"{server.admin_url}/metrics") as answer,
            ):
                text = await answer.text()
    exemplar = f'# {{trace_id="{TRACE}"}}'
    lines = [line for line in text.splitlines() if exemplar in line]
    assert {line.partition("_bucket")[0] for line in lines} == {
        "trackpush_ingest_request_duration_seconds",
        "trackpush_push_attempt_duration_seconds",
        "trackpush_push_latency_seconds",
    }
    assert exemplar not in plain


def test_the_sampling_ratio_is_applied_and_an_unsampled_parent_is_honoured() -> None:
    """OpenTelemetry's own ratio compares the trace's id: whoever chooses ids chooses what we record."""
    for chance, expected in ((0.009, True), (0.011, False)):
        share = Share(0.01, iter([chance] * 2).__next__)
        assert (share.takes(asked=None), share.takes(asked=True)) == (expected, expected)
    assert not Share(1.0, lambda: 0.0).takes(asked=False)


def test_what_is_off_is_not_even_imported() -> None:
    code = (
        "import sys; from trackpush_server.server import Server;"
        " from trackpush_server.tracing.environment import tracing;"
        " assert tracing({}) is None; print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}


@pytest.mark.parametrize(
    ("variables", "on"),
    [
        ({}, False),
        (ENDPOINT, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, True),
        (ENDPOINT | {"OTEL_SDK_DISABLED": "true"}, False),
        (ENDPOINT | {"OTEL_TRACES_EXPORTER": "none"}, False),
    ],
)
def test_an_endpoint_switches_it_on_and_the_usual_variables_off(variables: dict[str, str], on: bool) -> None:  # noqa: FBT001
    assert is_on(variables) is on


@pytest.mark.parametrize(
    ("variables", "share"),
    [
        ({}, 1.0),
        ({"OTEL_TRACES_SAMPLER_ARG": "0.01"}, 0.01),
        ({"OTEL_TRACES_SAMPLER": "parentbased_always_off", "OTEL_TRACES_SAMPLER_ARG": "1"}, 0.0),
    ],
)
def test_the_share_is_the_samplers_argument(variables: dict[str, str], share: float) -> None:
    assert sampled_share(variables) == share


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "OTEL_EXPORTER_OTLP_PROTOCOL=grpc: only http/protobuf is supported"),
        ({"OTEL_TRACES_SAMPLER": "jaeger_remote"}, "OTEL_TRACES_SAMPLER=jaeger_remote: set parentbased_traceidratio"),
        ({"OTEL_TRACES_SAMPLER_ARG": "1%"}, "OTEL_TRACES_SAMPLER_ARG=1%: set a share from 0 to 1"),
        ({"OTEL_TRACES_SAMPLER_ARG": "2"}, "OTEL_TRACES_SAMPLER_ARG=2: set a share from 0 to 1"),
    ],
)
def test_what_is_not_there_refuses_the_start_and_says_what_to_set(variables: dict[str, str], says: str) -> None:
    with pytest.raises(CannotStartError, match=re.escape(says)):
        tracing(ENDPOINT | variables)
