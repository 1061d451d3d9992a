"""The egress guard: applies the egress rules to attempts. The dialler calls it before and after connecting."""

from collections.abc import Iterable
from ipaddress import ip_address

from trackpush_api.egress import Address, EgressRules, Network, read_network
from trackpush_api.routing import Egress
from trackpush_api.target import Target
from trackpush_server.outbound.failures import denied


class Guard(EgressRules, frozen=True, kw_only=True):
    """Egress rules, as checks that raise an error."""

    def check_target(self, target: Target) -> None:
        """Check everything that can be checked before a name is resolved.

        Raises:
            AttemptError: DENIED, for plain HTTP that is not allowed, or a literal address that is denied.
        """
        objection = self.objection_to(target)
        if objection is not None:
            raise denied(objection)

    def check(self, address: Address) -> None:
        """Check one address.

        Raises:
            AttemptError: DENIED.
        """
        objection = self.objection(address)
        if objection is not None:
            raise denied(objection)


def guard_for(egress: Egress) -> Guard:
    """The guard of a WebhookServer's egress settings.

    Raises:
        ValueError: a CIDR is invalid.
    """
    return Guard(
        https_only=egress.https_only,
        allowed=_networks(egress.allowed_cidrs, "allowedCIDRs"),
        denied=_networks(egress.denied_cidrs, "deniedCIDRs"),
    )


def parse_address(text: str) -> Address:
    """Parse an address from the resolver or the socket; a zone (``%eth0``) is kept.

    Raises:
        ValueError: it is not an address.
    """
    return ip_address(text)


def _networks(texts: Iterable[str], field: str) -> tuple[Network, ...]:
    try:
        return tuple(map(read_network, texts))
    except ValueError as error:
        raise ValueError(f"egress.{field}: {error}") from error
