"""The egress rules: whether a push may go to an address. Pure.

Many people write clients' URLs, and the server runs inside the cluster. Without these rules, anyone who may write a
PushConfig could reach the cluster's own services and the cloud's metadata address. The compiler applies the rules to
what a URL itself contains (scheme, literal address); the dialler applies them again to every address that it connects
to.
"""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

import msgspec

from trackpush_api.ranges import GLOBAL_UNICAST, IPV4, IPV6, Range, isatap
from trackpush_api.target import Target

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
_LOOPBACK = (IPv4Address("127.0.0.1"), IPv6Address("::1"))


class EgressRules(msgspec.Struct, frozen=True, kw_only=True):
    """Where pushes may go. Denied networks take precedence over allowed ones, and these over the table of ranges."""

    https_only: bool = True
    allowed: tuple[Network, ...] = ()
    denied: tuple[Network, ...] = ()

    @property
    def allows_everything(self) -> bool:
        """Whether every address is allowed, so that a name needs no lookup for the check."""
        open_versions = {network.version for network in self.allowed if network.prefixlen == 0}
        return not self.denied and open_versions == {4, 6}

    def objection_to(self, target: Target) -> str | None:
        """The reason against pushes to this target, as far as it is known before a name is resolved, or None."""
        if self.https_only and not target.tls:
            return "plain http is refused: use an https URL, or set egress.httpsOnly: false in the WebhookServer"
        if target.literal is not None:
            return self.objection(target.literal)
        if target.host == "localhost" or target.host.endswith(".localhost"):  # loopback whatever DNS says (RFC 6761)
            objections = [self.objection(address) for address in _LOOPBACK]
            return None if None in objections else objections[0]
        return None

    def objection(self, address: Address) -> str | None:
        """The reason against pushes to this address, or None."""
        inner = embedded(address)
        for candidate in (address, *inner):
            if _holds(self.denied, candidate):
                return f"{_spell(address, candidate)} is in egress.deniedCIDRs of the WebhookServer"
        reason = None if _holds(self.allowed, address) else _objection(address)
        if reason is not None:
            return _advise(reason)
        for candidate in inner:
            if not _holds(self.allowed, candidate) and (reason := _objection(candidate)) is not None:
                return _advise(f"{address}, which stands for {reason}")
        return None


def embedded(address: Address) -> tuple[IPv4Address, ...]:
    """The IPv4 addresses that an IPv6 address contains; none for most addresses."""
    if isinstance(address, IPv4Address):
        return ()
    row = _row(IPV6, address)
    if row is not None and row.unwrap is not None:
        return row.unwrap(address)
    return isatap(address)


def _objection(address: Address) -> str | None:
    if isinstance(address, IPv4Address):
        row = _row(IPV4, address)
        return f"{address}, which is {row.what} ({row.source})" if row else None
    row = _row(IPV6, address)
    if row is not None:
        return None if row.unwrap and not row.closed else f"{address}, which is {row.what} ({row.source})"
    return None if address in GLOBAL_UNICAST else f"{address}, which is not global unicast (RFC 4291, 2.4)"


def _advise(reason: str) -> str:
    return f"pushes may not go to {reason}; if this is meant, add it to egress.allowedCIDRs of the WebhookServer"


def _spell(address: Address, inner: Address) -> str:
    return str(address) if inner is address else f"{address} ({inner})"


def _row(table: Sequence[Range], address: Address) -> Range | None:
    return next((row for row in table if address in row.network), None)


def _holds(networks: Iterable[Network], address: Address) -> bool:
    return any(address in network for network in networks)


def read_network(text: str) -> Network:
    """An address range.

    Raises:
        ValueError: the text is invalid; the message says what to write.
    """
    try:
        return ip_network(text, strict=False)
    except ValueError as error:
        raise ValueError(f"{text!r} is not a CIDR ({error}); write for example 10.1.0.0/16") from error
