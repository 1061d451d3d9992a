"""Listening sockets: bound before anything else starts, so that an address in use changes nothing."""

import ipaddress
import resource
import socket

from trackpush_runtime.errors import CannotStartError

BACKLOG = 1024
"""Connections that the kernel holds until they are accepted."""


def bind(address: tuple[str, int], *, purpose: str) -> socket.socket:
    """A bound TCP socket that doesn't listen yet.

    Raises:
        CannotStartError: the address is in use, or no address of this machine.
    """
    host, port = address
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(where)
        except OSError:
            bound.close()
            raise
    except OSError as error:
        raise CannotStartError(
            f"{purpose} {name(address)}: {error.strerror or error}; choose another address, or stop what uses it"
        ) from None
    bound.setblocking(False)
    return bound


def share(reserved: socket.socket) -> socket.socket:
    """One more socket bound to a reserved address, that may listen beside others made so (``SO_REUSEPORT``).

    The kernel spreads new connections over those that listen. The reserved one has the option not, so a second server
    finds the address in use.

    Raises:
        OSError: another process listens there.
    """
    shared = socket.socket(reserved.family, reserved.type, reserved.proto)
    try:
        shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        shared.bind(reserved.getsockname())
    except OSError:
        shared.close()
        raise
    shared.setblocking(False)
    return shared


def name(address: tuple[str, int]) -> str:
    """``host:port``, with brackets around IPv6."""
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_loopback(bound: socket.socket) -> bool:
    """Whether only this machine can reach the address."""
    host = str(bound.getsockname()[0])
    return ipaddress.ip_address(host.partition("%")[0]).is_loopback


def raise_descriptor_limit() -> None:
    """Allow as many open files as the system does: thousands of connections need more than the usual 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
