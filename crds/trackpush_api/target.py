"""The target: the URL of a destination, parsed strictly for a connection.

If two programs read a URL differently, an attacker can evade a check. So only one spelling is accepted: IPv4 literals
only as four decimal numbers (no octal, hex, short or single-number forms, which getaddrinfo accepts), no user and
password, no control characters, and names as ASCII (IDNA 2008 with the mapping of UTS 46).

The compiler and the transport call the same function, so the transport accepts each URL that `trackpush check` accepts.
"""

import re
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import SplitResult, quote, urlsplit

import msgspec

from trackpush_api.ranges import BAD_PORTS

_DEFAULT_PORTS = {"http": 80, "https": 443}
_MAX_NAME = 253
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_IN_BRACKETS = re.compile(r"\[[^\]]*\](?::[0-9]*)?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_FORBIDDEN = re.compile(r"[\s\x00-\x20\x7f\\]")
_SAFE = "%/:@!$&'()*+,;=~-._?"


class InvalidUrlError(ValueError):
    """No push can be sent to this URL. The message says what to change, and never shows path or query."""


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """The host, port and path of a destination."""

    host: str
    """ASCII in lower case; an IPv6 address without brackets."""
    port: int
    tls: bool
    literal: IPv4Address | IPv6Address | None
    """The host as an address; None if it is a name."""
    request_target: str
    """Path and query, percent-encoded."""

    @property
    def authority(self) -> str:
        """The value of the Host header, without the scheme's default port."""
        default = _DEFAULT_PORTS["https" if self.tls else "http"]
        return self.host_in_url if self.port == default else f"{self.host_in_url}:{self.port}"

    @property
    def endpoint(self) -> str:
        """Host and port, as in CONNECT and in messages."""
        return f"{self.host_in_url}:{self.port}"

    @property
    def host_in_url(self) -> str:
        """The host; an IPv6 address in brackets."""
        return f"[{self.host}]" if isinstance(self.literal, IPv6Address) else self.host


def read_url(url: str) -> Target:
    """Parse a URL. Messages never show path or query, which may contain a secret.

    Raises:
        InvalidUrlError: the URL is not accepted; the message says what to change.
    """
    if _FORBIDDEN.search(url):
        raise InvalidUrlError("the URL contains a space, a backslash or a control character: percent-encode it")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise InvalidUrlError(
            "the URL can't be read: write https://HOST:PORT/PATH, the port as a number up to 65535"
        ) from error
    if parts.scheme not in _DEFAULT_PORTS:
        raise InvalidUrlError(f"the URL's scheme is {parts.scheme!r}: use https")
    if "@" in parts.netloc:
        raise InvalidUrlError("the URL contains a user or password: use spec.auth or spec.headers with a Secret")
    host, literal = _host(parts)
    return Target(
        host=host,
        port=_port(parts, port),
        tls=parts.scheme == "https",
        literal=literal,
        request_target=_request_target(parts),
    )


def _port(parts: SplitResult, port: int | None) -> int:
    if port is None:
        return _DEFAULT_PORTS[parts.scheme]
    if port == 0 or port in BAD_PORTS:
        raise InvalidUrlError(
            f"port {port} is refused: it is a port of another protocol (Fetch Standard, bad ports); use another"
        )
    return port


def _request_target(parts: SplitResult) -> str:
    path = quote(parts.path or "/", safe=_SAFE.replace("?", ""))
    return f"{path}?{quote(parts.query, safe=_SAFE)}" if parts.query else path


def _host(parts: SplitResult) -> tuple[str, IPv4Address | IPv6Address | None]:
    host = parts.hostname or ""
    if not host:
        raise InvalidUrlError("the URL has no host: write https://HOST/PATH")
    if "[" in parts.netloc:
        if _IN_BRACKETS.fullmatch(parts.netloc) is None:
            raise InvalidUrlError(
                "the URL has text beside the brackets of its IPv6 address: write https://[ADDRESS]:PORT/PATH"
            )
        return _ipv6(host)
    name = _ascii(host)
    if _NUMBER.fullmatch(name.rpartition(".")[2]):
        return _ipv4(name)
    if len(name) > _MAX_NAME or not all(_LABEL.fullmatch(label) for label in name.split(".")):
        raise InvalidUrlError(
            f"the URL's host {name[:80]!r} is not a host name: labels of letters, digits, - and _, separated by dots"
        )
    return name, None


def _ascii(host: str) -> str:
    if host.isascii():
        return host.lower().removesuffix(".")
    import idna  # noqa: PLC0415  its tables take 10 ms, and few hosts need them

    try:
        return idna.encode(host, uts46=True).decode("ascii").lower().removesuffix(".")
    except idna.IDNAError as error:
        raise InvalidUrlError(
            f"the URL's host {host[:80]!r} is not an internationalised host name (IDNA 2008)"
        ) from error


def _ipv4(host: str) -> tuple[str, IPv4Address]:
    try:
        return host, IPv4Address(host)
    except ValueError as error:
        raise InvalidUrlError(
            f"the URL's host {host[:80]!r} is not a canonical IPv4 address: write four decimal numbers"
        ) from error


def _ipv6(host: str) -> tuple[str, IPv6Address]:
    try:
        address = IPv6Address(host)
    except ValueError as error:
        raise InvalidUrlError(f"the URL's host [{host[:80]}] is not an IPv6 address") from error
    if address.scope_id is not None:
        raise InvalidUrlError(f"the URL's host [{host[:80]}] names a zone: only a plain IPv6 address is accepted")
    return str(address), address
