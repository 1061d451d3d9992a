"""The egress guard: the table of denied ranges, in every spelling, and what overrides it."""

import asyncio
import socket
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outbound.kit import LOOPBACK, post_once
from outbound.servers import always, polite, serve
from support.rows import every_row
from trackpush_api.ranges import IPV4, IPV6, Range
from trackpush_api.routing import Egress
from trackpush_server.outbound import dial as dial_module
from trackpush_server.outbound.failures import AttemptError
from trackpush_server.outbound.guard import Guard, guard_for
from trackpush_server.outbound.port import Failure
from trackpush_server.outbound.transport import HttpTransport

STRICT = Guard()

DENIED = {
    "unspecified": ("0.0.0.0", "::"),
    "this network": ("0.1.2.3", "0.255.255.255"),
    "loopback": ("127.0.0.1", "127.255.255.254", "::1"),
    "private (RFC 1918)": ("10.0.0.0", "10.255.255.255", "172.16.0.1", "172.31.255.255",
                           "192.168.0.1", "192.168.255.255"),
    "carrier-grade NAT": ("100.64.0.0", "100.127.255.255"),
    "link-local": ("169.254.0.1", "169.254.255.255", "fe80::1", "febf::1", "fe80::1%eth0"),
    "metadata": ("169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16", "192.0.0.192",
                  "fd00:ec2::254", "fd20:ce::254"),
    "IETF assignments": ("192.0.0.1", "192.0.0.255", "2001:1::1", "2001:1ff::1"),
    "documentation": ("192.0.2.1", "198.51.100.1", "203.0.113.255", "2001:db8::1", "3fff::1", "3fff:fff::1"),
    "6to4 relay": ("192.88.99.1",),
    "benchmarking": ("198.18.0.0", "198.19.255.255", "2001:2::1"),
    "multicast": ("224.0.0.1", "239.255.255.255", "ff02::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    "reserved and broadcast": ("240.0.0.0", "255.255.255.254", "255.255.255.255"),
    "unique local": ("fc00::1", "fdff:ffff::1"),
    "site-local": ("fec0::1", "feff::1"),
    "discard": ("100::1",),
    "not global unicast": ("1::1", "4000::1", "5f00::1", "8000::1", "e000::1"),
    "IPv4-mapped": ("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:a9fe:a9fe"),
    "IPv4-compatible": ("::127.0.0.1", "::10.0.0.1", "::8.8.8.8"),
    "IPv4-translated": ("::ffff:0:10.0.0.1", "::ffff:0:8.8.8.8"),
    "NAT64": ("64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::a9fe:a9fe"),
    "local NAT64": ("64:ff9b:1::10.0.0.1", "64:ff9b:1::8.8.8.8", "64:ff9b:1:ffff::1"),
    "6to4": ("2002:7f00:1::", "2002:a00:1::1", "2002:a9fe:a9fe::1"),
    "Teredo": ("2001:0:a00:1::f7f7:f7f7", "2001:0:808:808::5601:5601", "2001:0:808:808::f5ff:fffe"),
    "ISATAP": ("2600::5efe:10.0.0.1", "2600::200:5efe:a9fe:a9fe"),
}  # fmt: skip
ALLOWED = (
    "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0",
    "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "191.255.255.255", "192.0.1.0", "192.0.3.0",
    "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255", "2600::1",
    "2001:4860:4860::8888",
    "2001:200::1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1",
    "2001:0:808:808::f7f7:f7f7", "2600::5efe:8.8.8.8",
)  # fmt: skip


@every_row("address", [address for group in DENIED.values() for address in group])
def test_no_push_goes_to_an_address_that_is_no_clients(address: str) -> None:
    reason = STRICT.objection(ip_address(address))
    assert reason is not None
    assert "egress.allowedCIDRs" in reason, "the message says what to do"


@every_row("address", ALLOWED)
def test_pushes_go_to_public_addresses_up_to_the_edges_of_the_denied_ranges(address: str) -> None:
    assert STRICT.objection(ip_address(address)) is None


@every_row("row", [*IPV4, *IPV6])
def test_every_row_of_the_table_names_its_source_and_is_reached(row: Range) -> None:
    assert row.what
    assert row.source
    first, last = row.network[0], row.network[-1]
    if row.unwrap is None or row.closed:
        assert STRICT.objection(first) is not None
        assert STRICT.objection(last) is not None
    table = IPV4 if row.network.version == 4 else IPV6
    earlier = [other.network for other in table[: table.index(row)]]
    assert not any(first in network and last in network for network in earlier), "a row before it hides it"


EMBEDDINGS: dict[str, Callable[[int], IPv6Address]] = {
    "mapped": lambda v4: IPv6Address(0xFFFF << 32 | v4),
    "compatible": IPv6Address,
    "translated": lambda v4: IPv6Address(0xFFFF << 48 | v4),
    "nat64": lambda v4: IPv6Address(int(IPv6Address("64:ff9b::")) | v4),
    "nat64 local /48": lambda v4: IPv6Address(int(IPv6Address("64:ff9b:1::")) | (v4 >> 16) << 64 | (v4 & 0xFFFF) << 40),
    "nat64 local /56": lambda v4: IPv6Address(
        int(IPv6Address("64:ff9b:1::")) | (v4 >> 24) << 64 | (v4 & 0xFFFFFF) << 32
    ),
    "nat64 local /64": lambda v4: IPv6Address(int(IPv6Address("64:ff9b:1::")) | v4 << 24),
    "nat64 local /96": lambda v4: IPv6Address(int(IPv6Address("64:ff9b:1::")) | v4),
    "6to4": lambda v4: IPv6Address(0x2002 << 112 | v4 << 80 | 1),
    "teredo client": lambda v4: IPv6Address(0x2001_0000_0808_0808 << 64 | (v4 ^ 0xFFFF_FFFF)),
    "teredo server": lambda v4: IPv6Address(0x2001_0000 << 96 | v4 << 64 | 0xF7F7_F7F7),
    "isatap": lambda v4: IPv6Address(0x2600 << 112 | 0x5EFE << 32 | v4),
    "isatap, global": lambda v4: IPv6Address(0x2600 << 112 | 0x0200_5EFE << 32 | v4),
}
denied_ipv4 = st.sampled_from(IPV4).flatmap(
    lambda row: st.integers(int(row.network[0]), int(row.network[-1])).map(IPv4Address)
)


@given(denied_ipv4, st.sampled_from(sorted(EMBEDDINGS)))
def test_no_denied_ipv4_address_passes_in_any_ipv6_form(address: IPv4Address, form: str) -> None:
    assert STRICT.objection(address) is not None
    assert STRICT.objection(EMBEDDINGS[form](int(address))) is not None


@given(denied_ipv4, st.sampled_from(["mapped", "nat64", "nat64 local /96", "6to4", "isatap"]))
def test_leave_for_all_of_ipv6_is_no_leave_for_the_ipv4_addresses_inside(address: IPv4Address, form: str) -> None:
    guard = guard_for(Egress(allowed_cidrs=("::/0",)))
    inside = EMBEDDINGS[form](int(address))
    assert guard.objection(inside) is not None


@given(st.ip_addresses())
def test_denied_networks_override_allowed_ones_for_every_address(address: IPv4Address | IPv6Address) -> None:
    guard = guard_for(Egress(allowed_cidrs=("0.0.0.0/0", "::/0"), denied_cidrs=("0.0.0.0/0", "::/0")))
    assert guard.objection(address) is not None


def test_allowed_networks_override_the_table() -> None:
    guard = guard_for(Egress(allowed_cidrs=("10.1.0.0/16", "fd00::/8", "64:ff9b:1::/48")))
    for address in ("10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::10.1.2.3", "64:ff9b:1::10.1.2.3", "fd00::1"):
        assert guard.objection(ip_address(address)) is None, address
    for address in ("10.2.0.1", "::ffff:10.2.0.1", "64:ff9b:1::10.2.0.1", "127.0.0.1"):
        assert guard.objection(ip_address(address)) is not None, address


def test_a_denied_network_holds_in_every_form_of_its_addresses() -> None:
    guard = guard_for(Egress(denied_cidrs=("8.8.8.0/24", "2600::/16")))
    for address in ("8.8.8.8", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1", "2600::1"):
        reason = guard.objection(ip_address(address))
        assert reason is not None
        assert "deniedCIDRs" in reason


def test_a_cidr_that_is_none_is_named() -> None:
    with pytest.raises(ValueError, match=r"egress\.allowedCIDRs: '10\.0\.0\.0/99' is not a CIDR"):
        guard_for(Egress(allowed_cidrs=("10.0.0.0/99",)))


# ---- at the socket


async def test_plain_http_is_refused_unless_allowed() -> None:
    async with serve(polite) as server:
        answer = await post_once(server.url, egress=Egress(allowed_cidrs=("127.0.0.0/8",)))
        assert answer.failure is Failure.DENIED
        assert answer.detail is not None
        assert "httpsOnly" in answer.detail
        assert server.accepted == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"])
async def test_loopback_is_refused_unless_allowed(host: str) -> None:
    async with serve(polite) as server:
        answer = await post_once(f"http://{host}:{server.port}/", egress=Egress(https_only=False))
        assert answer.failure is Failure.DENIED
        assert server.accepted == 0


async def test_a_name_that_resolves_to_a_denied_address_is_refused() -> None:
    transport = HttpTransport(lookup=lambda _: ["169.254.169.254", "fd00:ec2::254"])
    answer = await post_once("https://innocent.example.test/", egress=Egress(), transport=transport)
    assert answer.failure is Failure.DENIED
    assert answer.detail is not None
    assert "169.254.169.254, which is a cloud metadata address" in answer.detail


async def test_denied_addresses_of_a_name_are_passed_over() -> None:
    async with serve(polite) as server:
        transport = HttpTransport(lookup=lambda _: ["10.0.0.1", "127.0.0.1"])
        answer = await post_once(server.url.replace("127.0.0.1", "mixed.example.test"), transport=transport)
        assert answer.status == 200


async def test_a_name_that_changes_its_address_is_judged_by_the_one_that_is_connected_to() -> None:
    answers = [["127.0.0.1"], ["127.0.0.2"]]
    egress = Egress(https_only=False, allowed_cidrs=("127.0.0.1/32",))

    def rebind(_: str) -> list[str]:
        return answers.pop(0)

    async with serve(polite, host="0.0.0.0") as server:
        url = f"http://rebind.example.test:{server.port}/"
        assert (await post_once(url, egress=egress, transport=HttpTransport(lookup=rebind))).status == 200
        assert answers == [["127.0.0.2"]], "resolved once: there is no second answer to fall for"
        answer = await post_once(url, egress=egress, transport=HttpTransport(lookup=rebind))
        assert answer.failure is Failure.DENIED
        assert server.accepted == 1


async def test_the_guard_judges_addresses_from_the_cache_too() -> None:
    transport = HttpTransport(lookup=lambda _: ["127.0.0.1"])
    async with serve(polite) as server:
        url = server.url.replace("127.0.0.1", "shared.example.test")
        assert (await post_once(url, transport=transport)).status == 200
        answer = await post_once(url, transport=transport, egress=Egress(https_only=False))
        assert answer.failure is Failure.DENIED


async def test_the_other_end_of_the_socket_is_judged_before_a_byte_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serve(polite, host="0.0.0.0") as server:

        async def elsewhere(*_: object) -> socket.socket:
            sock = socket.socket()
            sock.setblocking(False)
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.2", server.port))
            return sock

        monkeypatch.setattr(dial_module, "_connect", elsewhere)
        answer = await post_once(
            f"http://127.0.0.1:{server.port}/", egress=Egress(https_only=False, allowed_cidrs=("127.0.0.1/32",))
        )
        assert answer.failure is Failure.DENIED
        assert not server.requests


async def test_a_redirect_to_the_metadata_address_is_an_answer_and_goes_nowhere() -> None:
    redirect = b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/latest/\r\nContent-Length: 0\r\n\r\n"
    async with serve(always(redirect)) as server:
        answer = await post_once(server.url)
        assert (answer.status, answer.failure) == (302, None)
        assert len(server.requests) == 1


def test_the_suites_own_leave_is_for_loopback_alone() -> None:
    with pytest.raises(AttemptError):
        guard_for(LOOPBACK).check(ip_address("10.0.0.1"))
