"""URLs are normalised to one spelling, and give the expected target."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outbound.kit import post_once
from support.rows import every_row
from trackpush_api.routing import Egress
from trackpush_server.outbound.failures import AttemptError
from trackpush_server.outbound.port import Failure
from trackpush_server.outbound.target import parse_target


@every_row(
    ("url", "host", "port", "authority", "request_target"),
    [
        ("https://oms.acme.example/hooks", "oms.acme.example", 443, "oms.acme.example", "/hooks"),
        ("https://OMS.Acme.Example.", "oms.acme.example", 443, "oms.acme.example", "/"),
        ("http://oms.acme.example:80/", "oms.acme.example", 80, "oms.acme.example", "/"),
        ("https://oms.acme.example:8443?k=v", "oms.acme.example", 8443, "oms.acme.example:8443", "/?k=v"),
        ("https://a_b.example/x%2Fy?q=a%20b&r=?#part", "a_b.example", 443, "a_b.example", "/x%2Fy?q=a%20b&r=?"),
        ("https://oms.example/päth?ü=1", "oms.example", 443, "oms.example", "/p%C3%A4th?%C3%BC=1"),
        ("https://8.8.8.8:444/", "8.8.8.8", 444, "8.8.8.8:444", "/"),
        ("https://[2600:0::1]:8443/", "2600::1", 8443, "[2600::1]:8443", "/"),
        ("https://[2600::1]/", "2600::1", 443, "[2600::1]", "/"),
        ("https://bücher.example/", "xn--bcher-kva.example", 443, "xn--bcher-kva.example", "/"),
        ("https://BÜCHER。example/", "xn--bcher-kva.example", 443, "xn--bcher-kva.example", "/"),
    ],
)  # fmt: skip
def test_a_url_comes_to_host_port_and_request_target(
    url: str, host: str, port: int, authority: str, request_target: str
) -> None:
    target = parse_target(url)
    assert (target.host, target.port, target.authority, target.request_target) == (
        host,
        port,
        authority,
        request_target,
    )
    assert target.tls == url.startswith("https")


@every_row(
    ("url", "says"),
    [
        ("https://2130706433/", "canonical"),
        ("https://0x7f000001/", "canonical"),
        ("https://0x7f.0.0.1/", "canonical"),
        ("https://0177.0.0.1/", "canonical"),
        ("https://127.1/", "canonical"),
        ("https://127.0.1/", "canonical"),
        ("https://127.0.0.01/", "canonical"),
        ("https://127.0.0.256/", "canonical"),
        ("https://foo.0x/", "canonical"),
        ("https://foo.1/", "canonical"),
        ("https://\uff11\uff12\uff17.\uff11/", "canonical"),
        ("https://0x7F.1/", "canonical"),
        ("https://[::1%25eth0]/", "IPv6|zone"),
        ("https://[fe80::1%eth0]/", "zone"),
        ("https://[127.0.0.1]/", "IPv6|read"),
        ("https://[v1.x]/", "IPv6|read"),
        ("https://::1/", "HOST:PORT"),
        ("https://user@oms.example/", "user or password"),
        ("https://user:secret@oms.example/", "user or password"),
        ("https://@oms.example/", "user or password"),
        ("https://oms.example\\@127.0.0.1/", "backslash"),
        ("https://oms.example /", "space"),
        ("https://oms.example/\r\nX: y", "control"),
        ("https://oms.example/\t", "control"),
        ("ftp://oms.example/", "scheme"),
        ("file:///etc/passwd", "scheme"),
        ("oms.example/hook", "scheme"),
        ("", "scheme"),
        ("https:///hook", "no host"),
        ("https://:443/", "no host"),
        ("https://oms..example/", "host name"),
        ("https://-oms.example/", "host name"),
        ("https://oms.example-/", "host name"),
        ("https://om%73.example/", "host name"),
        ("https://" + "a" * 64 + ".example/", "host name"),
        ("https://" + ".".join(["a" * 60] * 5) + "/", "host name"),
        ("https://\u200d.example/", "internationalised"),
        ("https://oms.example:0/", "port 0"),
        ("https://oms.example:22/", "port 22"),
        ("https://oms.example:25/", "port 25"),
        ("https://oms.example:6667/", "port 6667"),
        ("https://oms.example:65536/", "port"),
        ("https://oms.example:http/", "port"),
        ("https://oms.example:-1/", "port"),
    ],
)  # fmt: skip
def test_what_could_be_read_in_two_ways_is_refused_with_what_is_wrong(url: str, says: str) -> None:
    with pytest.raises(AttemptError, match=says) as caught:
        parse_target(url)
    assert caught.value.failure is Failure.DENIED
    assert "secret" not in caught.value.detail


@given(st.text(max_size=60))
def test_any_text_is_a_target_or_is_denied(text: str) -> None:
    for url in (text, f"https://{text}", f"https://{text}/hook", f"https://oms.example/{text}"):
        with contextlib.suppress(AttemptError):
            target = parse_target(url)
            assert target.host.isascii()
            assert target.request_target.isascii()
            assert not set("\r\n \0") & set(target.authority + target.request_target)


async def test_a_url_that_is_refused_denies_every_attempt_at_once_and_harms_nobody() -> None:
    answer = await post_once("https://user:secret@127.0.0.1/", egress=Egress())
    assert answer.failure is Failure.DENIED
    assert answer.detail is not None
    assert "secret" not in answer.detail
