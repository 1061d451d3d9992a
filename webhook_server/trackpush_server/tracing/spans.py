"""Spans by OpenTelemetry's SDK, exported by OTLP over HTTP from a separate thread.

Attributes follow the semantic conventions. None contains personal data: no AWB, no order, no body; of URLs only host
and port, because their paths may contain secrets.
"""

import asyncio
import contextlib
import random
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import lru_cache
from importlib.metadata import version
from typing import Final
from urllib.parse import urlsplit

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
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
    format_span_id,
    format_trace_id,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from trackpush_server.outbound.port import Answer
from trackpush_server.tracing.port import Receipt, Sending, TracedAttempt
from trackpush_server.tracing.sampling import Share

_LAST_EXPORT: Final = 3.0
"""Seconds for the last export, so that a collector that is down doesn't delay the shutdown."""
_HEADER: Final = "traceparent"
_RECORDED: Final = "-01"
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
    """Implements `trackpush_server.tracing.port.Tracing`.

    The SDK reads endpoint, headers and so on from its own variables.

    Traces that are not recorded never reach the SDK. These are most updates of a busy server, and they cost a few
    microseconds each.
    """

    def __init__(self, share: float) -> None:
        """``share`` of traces is recorded, from 0 to 1."""
        own = {service_attributes.SERVICE_NAME: "trackpush", service_attributes.SERVICE_VERSION: version("trackpush")}
        self._share = Share(share, random.random)
        self._provider = TracerProvider(
            sampler=ALWAYS_ON,
            # the service name in the environment takes precedence
            resource=Resource.create(own).merge(OTELResourceDetector().detect()),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("trackpush")

    def receive(self, receipt: Receipt) -> AbstractContextManager[str]:
        parent = _span_context(receipt.traceparent)
        if self._share.takes(asked=None if parent is None else parent.trace_flags.sampled):
            return self._received(receipt, parent)
        return contextlib.nullcontext(_unrecorded(parent))

    @contextlib.contextmanager
    def _received(self, receipt: Receipt, parent: SpanContext | None) -> Iterator[str]:
        span = self._tracer.start_span(
            "receive",
            context=_context(parent),
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
            yield _traceparent(span.get_span_context())
        except BaseException as error:
            _fail(span, type(error).__name__)
            raise
        else:
            span.set_attribute(http_attributes.HTTP_RESPONSE_STATUS_CODE, _OK)
        finally:
            span.end()

    def send(self, sending: Sending) -> TracedAttempt:
        """Record the attempt if the stored sampled flag says so, no matter who started the trace."""
        trace = sending.trace
        if trace is None:
            return self._sent(sending, None) if self._share.takes(asked=None) else Unrecorded(_unrecorded(None))
        return self._sent(sending, _span_context(trace)) if trace.endswith(_RECORDED) else Unrecorded(trace)

    def _sent(self, sending: Sending, parent: SpanContext | None) -> TracedAttempt:
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
        context = _context(parent)
        return Recorded(self._tracer.start_span("push", context=context, kind=SpanKind.CLIENT, attributes=attributes))

    async def close(self) -> None:
        loop, done = asyncio.get_running_loop(), asyncio.Event()

        def shut_down() -> None:
            self._provider.shutdown()
            with contextlib.suppress(RuntimeError):  # the event loop was closed before the export ended
                loop.call_soon_threadsafe(done.set)

        threading.Thread(target=shut_down, name="trackpush-last-spans", daemon=True).start()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_EXPORT):
                await done.wait()


class Unrecorded:
    """An attempt of a trace that isn't recorded; the flag in its header says so to the client."""

    __slots__ = ("traceparent",)

    def __init__(self, traceparent: str) -> None:
        self.traceparent = traceparent

    def ended(self, answer: asyncio.Future[Answer]) -> None:
        """Do nothing."""


class Recorded:
    """Implements `trackpush_server.tracing.port.TracedAttempt`."""

    __slots__ = ("_span", "traceparent")

    def __init__(self, span: Span) -> None:
        self._span = span
        self.traceparent = _traceparent(span.get_span_context())

    def ended(self, answer: asyncio.Future[Answer]) -> None:
        """End the span with the result of the attempt."""
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


def _traceparent(of: SpanContext) -> str:
    """The ``traceparent`` of a recorded span, with the sampled flag only."""
    return f"00-{format_trace_id(of.trace_id)}-{format_span_id(of.span_id)}{_RECORDED}"


def _unrecorded(parent: SpanContext | None) -> str:
    """The ``traceparent`` of a trace that isn't recorded."""
    trace_id = random.getrandbits(128) if parent is None else parent.trace_id
    return f"00-{format_trace_id(trace_id)}-{format_span_id(random.getrandbits(64))}-00"


def _span_context(traceparent: str | None) -> SpanContext | None:
    """The span context of a ``traceparent``; None if it is invalid."""
    if traceparent is None:
        return None
    found = get_current_span(_propagator.extract({_HEADER: traceparent}, Context())).get_span_context()
    return found if found.is_valid else None


def _context(parent: SpanContext | None) -> Context:
    return Context() if parent is None else set_span_in_context(NonRecordingSpan(parent), Context())


@lru_cache(maxsize=4096)
def _place(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of a client's URL."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)
