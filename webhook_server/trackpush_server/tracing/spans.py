"""Spans by OpenTelemetry's SDK, exported by OTLP over HTTP from a thread of its own.

Attributes follow the semantic conventions. None tells of a person: no AWB, no order, no body; of URLs only host and
port, since their paths may hold secrets.
"""

import asyncio
import contextlib
import random
import threading
from collections.abc import Iterator
from functools import lru_cache
from importlib.metadata import version
from typing import Final
from urllib.parse import urlsplit

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.semconv.attributes import (
    error_attributes,
    http_attributes,
    server_attributes,
    service_attributes,
    url_attributes,
)
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from trackpush_server.outbound.port import Answer
from trackpush_server.tracing.port import Receipt, Sending
from trackpush_server.tracing.sampling import sampler

_LAST_EXPORT: Final = 3.0
"""Seconds for the last export; a collector that is down must not hold the end up."""
_HEADER: Final = "traceparent"
_OK: Final = 200
_FIRST_ERROR: Final = 400
_PORTS: Final = {"http": 80, "https": 443}
_AGGREGATOR: Final = "trackpush.aggregator"
_ACCOUNT: Final = "trackpush.account"
_UPDATES: Final = "trackpush.updates"
_PUSH_CONFIG: Final = "trackpush.push_config"
_PUSH_ID: Final = "trackpush.push_id"
_propagator: Final = TraceContextTextMapPropagator()


class OpenTelemetry:
    """See `trackpush_server.tracing.port.Tracing`. Endpoint, headers and the like are the SDK's own variables."""

    def __init__(self, share: float) -> None:
        """``share`` of traces is recorded, from 0 to 1."""
        own = {service_attributes.SERVICE_NAME: "trackpush", service_attributes.SERVICE_VERSION: version("trackpush")}
        self._provider = TracerProvider(
            sampler=sampler(share, random.random),
            resource=Resource.create(own).merge(OTELResourceDetector().detect()),  # the environment's name wins
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("trackpush")

    @contextlib.contextmanager
    def receive(self, receipt: Receipt) -> Iterator[str]:
        """See the port."""
        parent = Context()
        if receipt.traceparent is not None:
            parent = _propagator.extract({_HEADER: receipt.traceparent}, parent)
        span = self._tracer.start_span(
            "receive",
            context=parent,
            kind=SpanKind.SERVER,
            attributes={
                http_attributes.HTTP_REQUEST_METHOD: "POST",
                _AGGREGATOR: receipt.aggregator,
                _ACCOUNT: receipt.account,
                _UPDATES: receipt.updates,
            },
            start_time=int(receipt.received_at * 1e9),
        )
        try:
            yield _traceparent(span)
        except BaseException as error:
            span.set_attribute(error_attributes.ERROR_TYPE, type(error).__name__)
            span.set_status(Status(StatusCode.ERROR))
            raise
        else:
            span.set_attribute(http_attributes.HTTP_RESPONSE_STATUS_CODE, _OK)
        finally:
            span.end()

    def send(self, sending: Sending) -> "Sent":
        """See the port."""
        scheme, host, port = _place(sending.url)
        attributes: dict[str, str | int] = {
            http_attributes.HTTP_REQUEST_METHOD: "POST",
            url_attributes.URL_SCHEME: scheme,
            server_attributes.SERVER_ADDRESS: host,
            server_attributes.SERVER_PORT: port,
            _ACCOUNT: sending.account,
            _PUSH_CONFIG: sending.push_config,
            _PUSH_ID: sending.push_id,
        }
        if sending.tries:
            attributes[http_attributes.HTTP_REQUEST_RESEND_COUNT] = sending.tries
        parent = _parent(sending.trace)
        return Sent(self._tracer.start_span("push", context=parent, kind=SpanKind.CLIENT, attributes=attributes))

    async def close(self) -> None:
        """See the port."""
        loop, done = asyncio.get_running_loop(), asyncio.Event()

        def shut_down() -> None:
            self._provider.shutdown()
            with contextlib.suppress(RuntimeError):  # the loop didn't wait for it
                loop.call_soon_threadsafe(done.set)

        threading.Thread(target=shut_down, name="trackpush-last-spans", daemon=True).start()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_EXPORT):
                await done.wait()


class Sent:
    """See `trackpush_server.tracing.port.Attempt`."""

    def __init__(self, span: Span) -> None:
        self._span = span
        self.traceparent = _traceparent(span)

    def ended(self, answer: asyncio.Future[Answer]) -> None:
        """See the port."""
        span = self._span
        if answer.cancelled():
            _fail(span, "cancelled")
        else:
            _tell(span, answer.result())
        span.end()


def _tell(span: Span, answer: Answer) -> None:
    if answer.status is not None:
        span.set_attribute(http_attributes.HTTP_RESPONSE_STATUS_CODE, answer.status)
    if answer.failure is not None:
        _fail(span, answer.failure.value)
    elif answer.status is not None and answer.status >= _FIRST_ERROR:
        _fail(span, str(answer.status))


def _fail(span: Span, kind: str) -> None:
    span.set_attribute(error_attributes.ERROR_TYPE, kind)
    span.set_status(Status(StatusCode.ERROR))


def _traceparent(span: Span) -> str:
    carrier: dict[str, str] = {}
    _propagator.inject(carrier, set_span_in_context(span, Context()))
    return carrier[_HEADER]


def _parent(trace: str | None) -> Context:
    """What the journal kept is ours, whoever began the trace: its flag decides, see `sampling.sampler`."""
    if trace is None:
        return Context()
    found = get_current_span(_propagator.extract({_HEADER: trace}, Context())).get_span_context()
    own = SpanContext(found.trace_id, found.span_id, is_remote=False, trace_flags=found.trace_flags)
    return set_span_in_context(NonRecordingSpan(own), Context())


@lru_cache(maxsize=4096)
def _place(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of a client's URL."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)
