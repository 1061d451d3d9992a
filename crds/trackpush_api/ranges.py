"""The address ranges that pushes must not reach, as a table that can be compared with its sources.

Sources: the IANA IPv4 and IPv6 Special-Purpose Address Registries, the RFC of each row, and the clouds' own
documentation for metadata addresses. The first row that contains the address decides.
"""

from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import NamedTuple

_LOW_32 = 0xFFFF_FFFF


class Range(NamedTuple):
    """Addresses that no client can have: what they are, and the source."""

    network: IPv4Network | IPv6Network
    what: str
    source: str
    unwrap: Callable[[IPv6Address], tuple[IPv4Address, ...]] | None = None
    """Returns the IPv4 addresses that such an IPv6 address contains.

    These are checked, too, even if the range is allowed.
    """
    closed: bool = False
    """Whether the range itself is denied, too, because it contains no public endpoint."""


def _low(address: IPv6Address) -> tuple[IPv4Address, ...]:
    return (IPv4Address(int(address) & _LOW_32),)


def _six_to_four(address: IPv6Address) -> tuple[IPv4Address, ...]:
    """The 32 bits after 2002: (RFC 3056, section 2)."""
    return (IPv4Address(int(address) >> 80 & _LOW_32),)


def _teredo(address: IPv6Address) -> tuple[IPv4Address, ...]:
    """The server, and the client with its bits inverted (RFC 4380, section 4)."""
    value = int(address)
    return IPv4Address(value >> 64 & _LOW_32), IPv4Address(~value & _LOW_32)


def _local_nat64(address: IPv6Address) -> tuple[IPv4Address, ...]:
    """The address for each prefix length that fits into a /48, because the network's length is unknown.

    RFC 6052, section 2.2: bits 64 to 71 are never part of the address. A length that gives an address in 0.0.0.0/8 is
    assumed to be unused, because these bits are zeros of the prefix.
    """
    value = int(address)
    low_64 = value & 0xFFFF_FFFF_FFFF_FFFF
    places = (
        (value >> 64 & 0xFFFF) << 16 | low_64 >> 40 & 0xFFFF,  # /48
        (value >> 64 & 0xFF) << 24 | low_64 >> 32 & 0xFF_FFFF,  # /56
        low_64 >> 24 & _LOW_32,  # /64
        value & _LOW_32,  # /96
    )
    used = tuple(IPv4Address(place) for place in places if place >> 24)
    return used or (IPv4Address(0),)


def _v4(network: str, what: str, source: str) -> Range:
    return Range(IPv4Network(network), what, source)


def _v6(network: str, what: str, source: str) -> Range:
    return Range(IPv6Network(network), what, source)


def _wrapped(
    network: str,
    what: str,
    source: str,
    unwrap: Callable[[IPv6Address], tuple[IPv4Address, ...]],
    *,
    closed: bool = False,
) -> Range:
    return Range(IPv6Network(network), what, source, unwrap, closed)


IPV4: tuple[Range, ...] = (
    _v4("0.0.0.0/32", "the unspecified address", "RFC 1122, 3.2.1.3"),
    _v4("0.0.0.0/8", "this network", "RFC 791, 3.2"),
    _v4("10.0.0.0/8", "a private network", "RFC 1918"),
    _v4("100.100.100.200/32", "a cloud metadata address", "Alibaba Cloud, instance metadata"),
    _v4("100.64.0.0/10", "shared address space of carriers (CGNAT)", "RFC 6598"),
    _v4("127.0.0.0/8", "loopback", "RFC 1122, 3.2.1.3"),
    _v4("168.63.129.16/32", "a cloud platform address", "Azure, what is IP address 168.63.129.16"),
    _v4("169.254.169.254/32", "a cloud metadata address", "RFC 3927; AWS, Azure, Google Cloud instance metadata"),
    _v4("169.254.0.0/16", "link-local", "RFC 3927"),
    _v4("172.16.0.0/12", "a private network", "RFC 1918"),
    _v4("192.0.0.0/24", "IETF protocol assignments", "RFC 6890, 2.1"),
    _v4("192.0.2.0/24", "a documentation network", "RFC 5737"),
    _v4("192.88.99.0/24", "6to4 relay anycast", "RFC 7526"),
    _v4("192.168.0.0/16", "a private network", "RFC 1918"),
    _v4("198.18.0.0/15", "a benchmarking network", "RFC 2544"),
    _v4("198.51.100.0/24", "a documentation network", "RFC 5737"),
    _v4("203.0.113.0/24", "a documentation network", "RFC 5737"),
    _v4("224.0.0.0/4", "multicast", "RFC 5771"),
    _v4("255.255.255.255/32", "broadcast", "RFC 919, 7"),
    _v4("240.0.0.0/4", "reserved", "RFC 1112, 4"),
)

IPV6: tuple[Range, ...] = (
    _v6("::/128", "the unspecified address", "RFC 4291, 2.5.2"),
    _v6("::1/128", "loopback", "RFC 4291, 2.5.3"),
    _wrapped("::ffff:0:0/96", "an IPv4-mapped address", "RFC 4291, 2.5.5.2", _low),
    _wrapped("::ffff:0:0:0/96", "an IPv4-translated address", "RFC 2765, 2.1", _low, closed=True),
    _wrapped("::/96", "an IPv4-compatible address", "RFC 4291, 2.5.5.1", _low, closed=True),
    _wrapped("64:ff9b::/96", "a NAT64 address", "RFC 6052, 2.1", _low),
    _wrapped("64:ff9b:1::/48", "a local NAT64 address", "RFC 8215", _local_nat64, closed=True),
    _v6("100::/64", "the discard prefix", "RFC 6666"),
    _wrapped("2001::/32", "a Teredo address", "RFC 4380", _teredo),
    _v6("2001:2::/48", "a benchmarking network", "RFC 5180"),
    _v6("2001::/23", "IETF protocol assignments", "RFC 2928"),
    _v6("2001:db8::/32", "a documentation network", "RFC 3849"),
    _wrapped("2002::/16", "a 6to4 address", "RFC 3056", _six_to_four),
    _v6("3fff::/20", "a documentation network", "RFC 9637"),
    _v6("5f00::/16", "segment routing identifiers", "RFC 9602"),
    _v6("fd00:ec2::254/128", "a cloud metadata address", "AWS, instance metadata over IPv6"),
    _v6("fd20:ce::254/128", "a cloud metadata address", "Google Cloud, metadata over IPv6"),
    _v6("fc00::/7", "a unique local network", "RFC 4193"),
    _v6("fe80::/10", "link-local", "RFC 4291, 2.5.6"),
    _v6("fec0::/10", "site-local", "RFC 3879"),
    _v6("ff00::/8", "multicast", "RFC 4291, 2.7"),
)

GLOBAL_UNICAST = IPv6Network("2000::/3")
"""The ranges that IANA has assigned for global use so far (RFC 4291, 2.4). Addresses outside are denied, too."""

_ISATAP = {0x0000_5EFE, 0x0200_5EFE}


def isatap(address: IPv6Address) -> tuple[IPv4Address, ...]:
    """The IPv4 address in an ISATAP interface identifier, under any prefix (RFC 5214, section 6.1)."""
    return _low(address) if int(address) >> 32 & _LOW_32 in _ISATAP else ()


BAD_PORTS = frozenset(
    {
        *(1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95),
        *(101, 102, 103, 104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465),
        *(512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995),
        *(1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697),
        10080,
    },
)
"""Ports of other protocols, which could interpret an HTTP request. Source: Fetch Standard, 2.9 "bad port"."""
