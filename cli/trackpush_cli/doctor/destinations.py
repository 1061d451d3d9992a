"""Checks clients' endpoints: name, egress rules, TCP and TLS, with the code that connects for pushes. Sends nothing.

It connects from this machine, which may be in another network than the server. So if the server is in a cluster, an
unreachable endpoint is only a warning; the condition Delivering shows the server's own result. An address that the
egress rules refuse is an error everywhere.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Final, NamedTuple

from trackpush_api.routing import Destination, RoutingTable, TlsMaterial
from trackpush_cli.doctor.hosts import SECONDS, SOON_DAYS
from trackpush_cli.doctor.outcome import CheckResult, fail, ok, warn
from trackpush_server.outbound.contexts import Contexts
from trackpush_server.outbound.dial import Dialler
from trackpush_server.outbound.failures import AttemptError
from trackpush_server.outbound.guard import Guard, guard_for
from trackpush_server.outbound.port import Failure
from trackpush_server.outbound.proxy import parse_proxy
from trackpush_server.outbound.resolver import Resolver
from trackpush_server.outbound.target import Target, parse_target

_AT_ONCE: Final = 16
_ADVICE: Final = {
    Failure.DENIED: "correct spec.url, or allow it in spec.egress of the WebhookServer",
    Failure.DNS: "correct the host in spec.url, or ask the client to create its DNS record",
    Failure.CONNECT: "ask the client to check that its endpoint listens and that no firewall blocks it",
    Failure.TLS: "ask the client to renew its certificate, or set spec.tls.ca to the client's CA",
    Failure.PROXY: "check that egress.proxy of the WebhookServer runs and may connect there",
    Failure.TIMEOUT: "ask the client to check that no firewall drops the connection",
}


class Stage:
    """The progress of the dialler."""

    def __init__(self, deadline: float) -> None:
        self.stage = ""
        self.deadline = deadline


class _Endpoint(NamedTuple):
    subject: str
    url: str
    tls: TlsMaterial | None


async def examine(table: RoutingTable, *, from_elsewhere: bool) -> AsyncIterator[CheckResult]:
    """Check every endpoint and token endpoint, several at once; results in the order of their names."""
    guard, resolver, contexts = guard_for(table.server.egress), Resolver(), Contexts()
    proxy = None if table.server.egress.proxy is None else parse_proxy(table.server.egress.proxy)
    slots = asyncio.Semaphore(_AT_ONCE)

    async def check(endpoint: _Endpoint) -> CheckResult:
        async with slots:
            try:
                return await _reach(endpoint, guard, proxy, resolver, contexts)
            except AttemptError as error:
                return _refused(endpoint, error, from_elsewhere=from_elsewhere)

    endpoints = [endpoint for destination in table.destinations for endpoint in _endpoints(destination)]
    for pending in [asyncio.create_task(check(endpoint)) for endpoint in endpoints]:
        yield await pending
    for destination in table.destinations:
        if destination.tls is not None and destination.tls.certificate is not None:
            yield _client_certificate(destination.name, destination.tls.certificate)
    await resolver.close()


def _endpoints(destination: Destination) -> list[_Endpoint]:
    name = f"PushConfig {destination.name}"
    found = [_Endpoint(name, destination.url, destination.tls)]
    if destination.oauth2 is not None:
        found.append(_Endpoint(f"{name} (token endpoint)", destination.oauth2.token_url, None))
    return found


async def _reach(
    endpoint: _Endpoint, guard: Guard, proxy: Target | None, resolver: Resolver, contexts: Contexts
) -> CheckResult:
    target = parse_target(endpoint.url)
    guard.check_target(target)
    dialler = Dialler(target=target, guard=guard, proxy=proxy, tls=endpoint.tls, resolver=resolver, contexts=contexts)
    connected: list[asyncio.Transport] = []

    class Hello(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            connected.append(transport)

    stage = Stage(asyncio.get_running_loop().time() + SECONDS)
    try:
        async with asyncio.timeout(SECONDS):
            await dialler.dial(stage, Hello)
    except TimeoutError:
        raise AttemptError(Failure.TIMEOUT, f"time-out of {SECONDS:g} s while {stage.stage}") from None
    finally:
        for transport in connected:
            transport.abort()
    how = "TLS agreed" if target.tls else "plain http"
    return ok("endpoint", endpoint.subject, f"{target.endpoint} accepts connections, {how}")


def _refused(endpoint: _Endpoint, error: AttemptError, *, from_elsewhere: bool) -> CheckResult:
    advice = _ADVICE.get(error.failure, "see docs/failing-endpoints.md")
    if from_elsewhere and error.failure is not Failure.DENIED:
        message = f"not reached from this machine: {error.detail}"
        return warn("endpoint", endpoint.subject, message, f"{advice}; trackpush status shows what the server sees")
    check = "egress" if error.failure is Failure.DENIED else "endpoint"
    return fail(check, endpoint.subject, error.detail, advice)


def _client_certificate(name: str, pem: str) -> CheckResult:
    from cryptography.x509 import load_pem_x509_certificate  # noqa: PLC0415  70 ms, and few have a certificate

    until = load_pem_x509_certificate(pem.encode()).not_valid_after_utc
    days = (until - datetime.now(UTC)).days
    subject, advice = f"PushConfig {name}", "put a renewed certificate and key into the Secret"
    if days < 0:
        return fail("client-certificate", subject, f"it expired on {until:%Y-%m-%d}", advice)
    if days < SOON_DAYS:
        return warn("client-certificate", subject, f"{days} days left", advice)
    return ok("client-certificate", subject, f"{days} days left")
