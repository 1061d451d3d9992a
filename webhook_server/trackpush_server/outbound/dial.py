"""The dialler: name → addresses → guard → TCP → guard again → proxy → TLS, for one destination.

Names are resolved once per connection. The connection goes to one of the addresses that the guard has checked, so a DNS
answer that changes in between (DNS rebinding) has no effect. The guard also checks the connected socket's address
before a byte is sent.
"""

import asyncio
import os
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from aiohappyeyeballs import AddrInfoType, start_connection

from trackpush_api.egress import Address
from trackpush_api.routing import TlsMaterial
from trackpush_server.outbound.alerts import alert
from trackpush_server.outbound.contexts import Contexts
from trackpush_server.outbound.exchange import Progress
from trackpush_server.outbound.failures import AttemptError, denied
from trackpush_server.outbound.guard import Guard, parse_address
from trackpush_server.outbound.port import Failure
from trackpush_server.outbound.proxy import open_tunnel
from trackpush_server.outbound.resolver import Resolver
from trackpush_server.outbound.target import Target

if TYPE_CHECKING:
    from typing_extensions import Buffer

_NEXT_ADDRESS_AFTER = 0.25
"""Seconds without a connection until the next address is tried in parallel (RFC 8305, section 8)."""
_MOST_ADDRESSES = 8
_TLS_GOODBYE = 1.0
_ONLY_THE_PROXY = (
    "a name that only egress.proxy can resolve is refused, because its address can't be checked, unless"
    " egress.allowedCIDRs contains 0.0.0.0/0 and ::/0 and egress.deniedCIDRs is empty"
)


class _LastWords(socket.socket):
    """Reads what the other side sent before it closed the connection, even if a write fails first.

    A server that refuses a client certificate with TLS 1.3 does so after our handshake: it sends an alert, and closes
    with a reset. If a write fails, asyncio drops the connection without reading the alert. So this socket reports the
    failure only at the next write, after reading.
    """

    _is_over = False

    def send(self, data: "Buffer", flags: int = 0, /) -> int:
        """Send. The first failure is hidden; the next write reports it."""
        try:
            return super().send(data, flags)
        except ConnectionError as error:
            if self._is_over:
                raise
            self._is_over = True
            raise BlockingIOError from error


class Dialler:
    """Opens connections to one destination, under the egress settings of one WebhookServer."""

    def __init__(
        self,
        *,
        target: Target,
        guard: Guard,
        proxy: Target | None,
        tls: TlsMaterial | None,
        resolver: Resolver,
        contexts: Contexts,
    ) -> None:
        self._target = target
        self._guard = guard
        self._proxy = proxy
        self._tls = tls
        self._resolver = resolver
        self._contexts = contexts
        self._context: ssl.SSLContext | None = None

    async def dial(self, progress: Progress, protocol: Callable[[], asyncio.BaseProtocol]) -> None:
        """Connect; connection_made is called when the protocol may send. ``progress.stage`` is the current step.

        Raises:
            AttemptError: DENIED, DNS, CONNECT, PROXY or TLS.
        """
        sock = await (self._connect_directly(progress) if self._proxy is None else self._tunnel(progress, self._proxy))
        if self._target.tls:
            sock = _LastWords(fileno=sock.detach())
        try:
            await self._hand_over(sock, progress, protocol)
        except BaseException:
            sock.close()
            raise

    async def _connect_directly(self, progress: Progress) -> socket.socket:
        progress.stage = f"resolving {self._target.host}"
        addresses = self._permitted(await self._addresses(self._target))
        progress.stage = f"connecting to {self._target.endpoint}"
        sock = await _connect(addresses, self._target, Failure.CONNECT)
        try:
            self._guard.check(parse_address(sock.getpeername()[0]))
        except OSError as error:
            sock.close()
            raise AttemptError(Failure.CONNECT, f"{self._target.endpoint} ended the connection at once") from error
        except AttemptError:
            sock.close()
            raise
        return sock

    async def _tunnel(self, progress: Progress, proxy: Target) -> socket.socket:
        """Connect through the proxy. Its own address is not checked, because the server's administrator chose it.

        CONNECT names an address that was checked. So the proxy resolves no name and can't get another address.
        """
        progress.stage = f"resolving {self._target.host}"
        endpoints = await self._judged_endpoints()
        for number, endpoint in enumerate(endpoints, start=1):
            progress.stage = f"connecting to proxy {proxy.endpoint}"
            sock = await self._connect_to_proxy(proxy)
            progress.stage = f"asking proxy {proxy.endpoint} for a tunnel"
            try:
                await open_tunnel(sock, proxy, endpoint)
            except BaseException as error:
                sock.close()
                # The proxy may be able to reach only addresses of one IP version.
                if not isinstance(error, AttemptError) or number == len(endpoints):
                    raise
            else:
                return sock
        raise AssertionError  # unreachable: there is at least one endpoint

    async def _connect_to_proxy(self, proxy: Target) -> socket.socket:
        try:
            return await _connect(await self._addresses(proxy), proxy, Failure.PROXY)
        except AttemptError as error:
            raise AttemptError(Failure.PROXY, f"egress.proxy: {error.detail}") from error

    async def _judged_endpoints(self) -> list[str]:
        """The endpoints for CONNECT. The host's name is one of them only if no address can be refused."""
        try:
            addresses = await self._addresses(self._target)
        except AttemptError as error:
            if self._guard.allows_everything:
                return [self._target.endpoint]
            raise AttemptError(error.failure, f"{error.detail}; {_ONLY_THE_PROXY}") from error
        permitted = self._permitted(addresses)[:_MOST_ADDRESSES]
        return [_endpoint(address, self._target.port) for address in permitted]

    async def _addresses(self, target: Target) -> list[Address]:
        if target.literal is not None:
            return [target.literal]
        return [parse_address(text) for text in await self._resolver.addresses(target.host)]

    def _permitted(self, addresses: Sequence[Address]) -> list[Address]:
        objections = [(address, self._guard.objection(address)) for address in addresses]
        permitted = [address for address, objection in objections if objection is None]
        if not permitted:
            raise denied(f"{self._target.host}: {objections[0][1]}")
        return permitted

    async def _hand_over(
        self, sock: socket.socket, progress: Progress, protocol: Callable[[], asyncio.BaseProtocol]
    ) -> None:
        loop = asyncio.get_running_loop()
        if not self._target.tls:
            await loop.create_connection(protocol, sock=sock)
            return
        progress.stage = f"agreeing on TLS with {self._target.endpoint}"
        try:
            if self._context is None:
                self._context = await self._contexts.get(self._tls)
            await loop.create_connection(
                protocol,
                sock=sock,
                ssl=self._context,
                server_hostname=self._target.host,
                ssl_handshake_timeout=max(progress.deadline - loop.time(), 0.0) + 1.0,
                ssl_shutdown_timeout=_TLS_GOODBYE,
            )
        except ssl.SSLError as error:
            raise AttemptError(Failure.TLS, f"{self._target.endpoint}: {_tls_reason(error)}") from error
        except OSError as error:
            raise AttemptError(
                Failure.TLS, f"{self._target.endpoint} ended the connection during the TLS handshake"
            ) from error


async def _connect(addresses: Sequence[Address], target: Target, failure: Failure) -> socket.socket:
    try:
        return await start_connection(
            [_addr_info(address, target.port) for address in addresses[:_MOST_ADDRESSES]],
            happy_eyeballs_delay=_NEXT_ADDRESS_AFTER,
            interleave=1,
        )
    except OSError as error:
        raise AttemptError(failure, f"{target.endpoint}: {_os_reason(error)}") from error


def _endpoint(address: Address, port: int) -> str:
    return f"{address}:{port}" if address.version == 4 else f"[{address}]:{port}"  # noqa: PLR2004 - IP versions


def _addr_info(address: Address, port: int) -> AddrInfoType:
    stream = (socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
    if address.version == 4:  # noqa: PLR2004 - IP versions
        return (socket.AF_INET, *stream, (str(address), port))
    return (socket.AF_INET6, *stream, (str(address), port, 0, 0))


def _os_reason(error: OSError) -> str:
    """The system's message for an error number. asyncio's own message joins the errors of several addresses."""
    return os.strerror(error.errno).lower() if error.errno else "no address could be reached"


def _tls_reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is refused: {error.verify_message}"
    return f"TLS failed: {alert(error)}"
