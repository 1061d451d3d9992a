"""Listening sockets. They are bound before anything else starts, so that an address in use has no side effects."""

import ipaddress
import resource
import socket

from trackpush_runtime.errors import CannotStartError

BACKLOG = 1024
"""Maximum number of connections that the kernel queues until they are accepted."""


def bind(address: tuple[str, int], *, purpose: str) -> socket.socket:
    """A bound TCP socket that doesn't listen yet.

    Raises:
        CannotStartError: the address is in use, or is not an address of this machine.
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
    """Another socket bound to the address of ``reserved``; several such sockets may listen (``SO_REUSEPORT``).

    The kernel distributes new connections among those that listen. The reserved socket itself has no such option, so a
    second server fails to bind the address.

    Raises:
        OSError: another process listens on the address.
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
    """Raise the limit of open files to the system's maximum.

    Thousands of connections need more than the usual 1,024.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
