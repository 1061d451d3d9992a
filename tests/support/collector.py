"""The real OpenTelemetry Collector, built once, between the server's exporter and the test, which gets OTLP as JSON."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import yaml
from aiohttp import web

from kube.rig import build
from kube.rig.processes import Processes, free_ports
from support.deadline import until

SOURCES = Path(__file__).parents[1] / "telemetry/collector"
BUILD_SECONDS = 900
"""For tests that may have to build it first, from an empty Go cache: pytest's time-out counts that, too."""
build.PROGRAMS["otelcol"] = (SOURCES, ".")  # not written there: that file's digest is part of the cluster's programs'
_KINDS = {1: "internal", 2: "server", 3: "client"}
_ERROR = 2


class SpanSeen(msgspec.Struct, frozen=True, kw_only=True):
    """One span, as the collector sent it on."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    kind: str
    failed: bool
    attributes: dict[str, Any]
    resource: dict[str, Any]


class Collector:
    """A running collector. Make it with `collecting`."""

    def __init__(self, port: int) -> None:
        self.spans: list[SpanSeen] = []
        self.raw: list[str] = []
        """Everything that it sent on, as text."""
        self.environment: Mapping[str, str] = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
            "OTEL_BSP_SCHEDULE_DELAY": "50",
        }
        """What switches a server's tracing on: exported every 50 ms."""

    def of(self, name: str, **attributes: Any) -> list[SpanSeen]:
        """Spans with this name and these attributes (dots as ``__``)."""
        wanted = {key.replace("__", "."): value for key, value in attributes.items()}
        return [span for span in self.spans if span.name == name and wanted.items() <= span.attributes.items()]

    async def has(self, name: str, count: int, **attributes: Any) -> list[SpanSeen]:
        """Wait for so many of them."""
        names = lambda: str([(span.name, span.attributes) for span in self.spans])  # noqa: E731  said when it fails
        await until(lambda: len(self.of(name, **attributes)) >= count, seconds=60, what=names)
        return self.of(name, **attributes)

    async def take(self, request: web.Request) -> web.Response:
        """What the collector exports."""
        text = await request.text()
        self.raw.append(text)
        for group in msgspec.json.decode(text)["resourceSpans"]:
            resource = _attributes(group["resource"])
            for scope in group["scopeSpans"]:
                self.spans += [_span(span, resource) for span in scope["spans"]]
        return web.json_response({})


def _span(span: dict[str, Any], resource: dict[str, Any]) -> SpanSeen:
    return SpanSeen(
        name=span["name"],
        trace_id=span["traceId"],
        span_id=span["spanId"],
        parent_id=span.get("parentSpanId", ""),
        kind=_KINDS[span["kind"]],
        failed=span.get("status", {}).get("code") == _ERROR,
        attributes=_attributes(span),
        resource=resource,
    )


def _attributes(holder: dict[str, Any]) -> dict[str, Any]:
    return {attribute["key"]: _value(attribute["value"]) for attribute in holder.get("attributes", ())}


def _value(value: dict[str, Any]) -> Any:
    ((kind, found),) = value.items()
    return int(found) if kind == "intValue" else found


@contextlib.asynccontextmanager
async def collecting(folder: Path) -> AsyncIterator[Collector]:
    """A started collector; ended with the block."""
    program = await asyncio.to_thread(build.program, "otelcol")
    port, sink = free_ports(2)
    collector = Collector(port)
    application = web.Application()
    application.router.add_post("/v1/traces", collector.take)
    runner = web.AppRunner(application, access_log=None)
    processes = Processes(folder)
    try:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", sink).start()
        config = folder / "collector.yaml"
        config.write_text(yaml.safe_dump(_config(port, sink)))
        processes.start("otelcol", program, f"--config=file:{config}")
        await _listens(port)
        yield collector
    finally:
        processes.stop_all()
        await runner.cleanup()


def _config(port: int, sink: int) -> dict[str, Any]:
    exporter = {
        "endpoint": f"http://127.0.0.1:{sink}",
        "encoding": "json",
        "compression": "none",
        "sending_queue": {"enabled": False},
    }
    return {
        "receivers": {"otlp": {"protocols": {"http": {"endpoint": f"127.0.0.1:{port}"}}}},
        "exporters": {"otlp_http": exporter},
        "service": {
            "telemetry": {"metrics": {"level": "none"}, "logs": {"level": "warn"}},
            "pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["otlp_http"]}},
        },
    }


async def _listens(port: int) -> None:
    async with aiohttp.ClientSession() as session, asyncio.timeout(60):
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get(f"http://127.0.0.1:{port}/") as answer:
                    await answer.read()
                    return
            await asyncio.sleep(0.02)


@contextlib.contextmanager
def environment(given: Mapping[str, str]) -> Iterator[None]:
    """The process's environment with these variables, while the block runs."""
    before = dict(os.environ)
    os.environ.update(given)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


if __name__ == "__main__":
    build.program("otelcol")
