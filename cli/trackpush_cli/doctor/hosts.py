"""Checks hosts as an aggregator sees them: DNS, TCP, TLS."""

import socket
import ssl
import time
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final, NamedTuple

from trackpush_cli.doctor.outcome import CheckResult, fail, ok, warn

SECONDS: Final = 10.0
SOON_DAYS: Final = 21
_DAY: Final = 86400


class Way(NamedTuple):
    """The host to check, and the address and port to connect to."""

    scheme: str
    host: str
    port: int
    via: tuple[str, int] | None = None
    """Address to connect to instead of the one in DNS."""

    @property
    def address(self) -> tuple[str, int]:
        return self.via or (self.host, self.port)


def examine(way: Way) -> Iterator[CheckResult]:
    """Check DNS, TCP and TLS, up to the first failure."""
    if way.via is None:
        found = _dns(way)
        yield found
        if found.result == "fail":
            return
    found = _tcp(way)
    yield found
    if found.result == "fail":
        return
    yield _tls(way) if way.scheme == "https" else _plain(way)


def _dns(way: Way) -> CheckResult:
    try:
        entries = socket.getaddrinfo(way.host, way.port, type=socket.SOCK_STREAM)
    except OSError as error:
        advice = f"add an A or AAAA record with the ingress's address; until then: --connect ADDRESS:{way.port}"
        return fail("dns", way.host, f"the name has no address ({error.strerror})", advice)
    addresses = sorted({str(entry[4][0]) for entry in entries})
    shown = ", ".join(addresses)
    if not any(ip_address(address.partition("%")[0]).is_global for address in addresses):
        advice = "point it to a public address, unless you run this inside the network (split DNS)"
        return warn("dns", way.host, f"{shown}: aggregators on the internet can't reach this address", advice)
    return ok("dns", way.host, shown)


def _tcp(way: Way) -> CheckResult:
    host, port = way.address
    shown = f"{host}:{port}"
    try:
        socket.create_connection((host, port), timeout=SECONDS).close()
    except OSError as error:
        advice = "check that the ingress or load balancer listens there and that no firewall blocks it"
        return fail("tcp", way.host, f"{shown}: {error.strerror or error}", advice)
    return ok("tcp", way.host, f"{shown} accepts connections")


def _plain(way: Way) -> CheckResult:
    advice = "set expose.ingress.tlsSecretName (or terminate TLS at the Gateway) and give the aggregators the https URL"
    return warn("tls", way.host, "plain http: keys and customers' data are not encrypted", advice)


def _tls(way: Way) -> CheckResult:
    context = ssl.create_default_context()
    try:
        with (
            socket.create_connection(way.address, timeout=SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=way.host) as connection,
        ):
            certificate = connection.getpeercert() or {}
    except ssl.SSLCertVerificationError as error:
        advice = "install a certificate for this name with its whole chain, including the intermediates"
        return fail("tls", way.host, f"the certificate is refused: {error.verify_message}", advice)
    except OSError as error:
        return fail("tls", way.host, f"no TLS: {error}", "check that the ingress terminates TLS on this port")
    return _age(way.host, ssl.cert_time_to_seconds(str(certificate["notAfter"])))


def _age(host: str, until: float) -> CheckResult:
    days = int((until - time.time()) // _DAY)
    message = f"certificate and chain are valid; {days} days left"
    if days < SOON_DAYS:
        return warn("tls", host, message, "renew it now: with an expired certificate no update arrives")
    return ok("tls", host, message)
