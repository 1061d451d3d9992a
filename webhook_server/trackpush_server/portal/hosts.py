"""Which Host headers the portal accepts: the configured host, and names of loopback from this machine. Pure."""

import ipaddress
from urllib.parse import urlsplit


def is_accepted(host_header: str, *, configured: str | None, peer: str | None) -> bool:
    """Whether a request with this Host may be answered.

    Pages of another site, whose DNS name leads to this address (DNS rebinding), send that site's name.
    """
    name = _name(host_header)
    if name is None:
        return False
    return name == configured or (is_loopback_name(name) and peer is not None and _is_loopback(peer))


def is_loopback_host(host_header: str) -> bool:
    """Whether a Host header names this machine; then browsers accept a Secure cookie only over TLS, so it has none."""
    name = _name(host_header)
    return name is not None and is_loopback_name(name)


def is_loopback_name(name: str) -> bool:
    return name == "localhost" or name.endswith(".localhost") or _is_loopback(name)


def _name(host_header: str) -> str | None:
    try:
        return (urlsplit(f"//{host_header}").hostname or "").removesuffix(".") or None
    except ValueError:  # an unclosed bracket
        return None


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return False
