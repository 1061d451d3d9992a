"""Resources from the field: what the sender would refuse, or would read differently, is refused when it is written."""

import pytest

from field.resources import INPUTS, compiled, errors
from trackpush_api.kinds import PushConfigSpec
from trackpush_api.manifest import parse_manifests
from trackpush_api.routing import Destination, Egress
from trackpush_server.outbound.oauth2.reading import read_grant
from trackpush_server.outbound.oauth2.token import Grant
from trackpush_server.outbound.tls import build_context
from trackpush_server.outbound.transport import HttpTransport, RefusingSender

URLS = "F08_urls_that_check_passes.yaml"
SENT = {"underscore", "fragment", "idn", "unicodepath"}
EGRESS = Egress(https_only=True, allowed_cidrs=("127.0.0.0/8", "::1/128"))


def test_f07_a_comment_in_any_language_around_a_certificate_is_ignored() -> None:
    found = compiled("F07_nonascii_ca.yaml")
    assert errors(found) == []
    assert found.table is not None
    (wms,) = found.table.destinations
    assert len(build_context(wms.tls).get_ca_certs()) == 1


async def test_f08_check_refuses_exactly_the_urls_that_the_sender_refuses() -> None:
    found = compiled(URLS, with_server=False)
    refused = {
        problem.resource
        for problem in found.problems
        if problem.condition == "Accepted" and problem.field == "spec.url"
    }
    transport = HttpTransport()
    try:
        for resource in parse_manifests({URLS: (INPUTS / URLS).read_text(encoding="utf-8")}).resources:
            if not isinstance(resource.spec, PushConfigSpec):
                continue
            sender = transport.sender(Destination(name=resource.full_name, url=resource.spec.url), EGRESS)
            assert isinstance(sender, RefusingSender) == (resource.title in refused), resource.title
            assert (resource.name in SENT) == (resource.title not in refused), resource.title
    finally:
        await transport.close()
    assert len(refused) == 16


@pytest.mark.parametrize(
    "says",
    [
        "PushConfig acme/zbad spec.headers[0].value: found a text of 3 characters; write one line of printable ASCII",
        "PushConfig acme/utf spec.headers[0].value: found a text of 16 characters; write one line of printable ASCII",
        "PushConfig acme/trail spec.headers[1].name: the header Accept-Encoding is set by Trackpush itself; remove it",
        "PushConfig acme/trail spec.headers[3].name: the header Content-Encoding is set by Trackpush itself; remove it",
        "PushConfig acme/trail spec.headers[4].name: the header trackpush-replay is set by Trackpush itself; remove it",
        "PushConfig acme/trail spec.headers[5].name: the header traceparent is set by Trackpush itself; remove it",
    ],
)
def test_f08b_headers_that_no_request_can_carry_are_refused(says: str) -> None:
    assert any(says in error for error in errors(compiled("F08b_header_control_byte.yaml")))


def test_f09_a_secret_value_that_yaml_reads_as_a_number_is_refused_and_never_becomes_another_key() -> None:
    found = compiled("F09_unquoted_secret_values.yaml")
    told = errors(found)
    for line, key in ((22, "clickpost"), (23, "oms")):
        place = f"F09_unquoted_secret_values.yaml:{line}: Secret acme/acme-keys stringData.{key}"
        assert f"{place}: is a number: put it in quotes" in told
    assert found.table is not None
    assert (found.table.accounts, found.table.destinations) == ((), ())


def test_f15_a_pattern_that_re2_refuses_and_a_reserved_header_are_named() -> None:
    told = errors(compiled("F15_bad_regex_and_replay_header.yaml"))
    assert any(
        "spec.filter.expression: matches('('): the text is not a regular expression of RE2" in message
        for message in told
    )
    assert any("the header trackpush-replay is set by Trackpush itself" in message for message in told)


def test_f16_a_token_without_a_type_is_a_bearer_token() -> None:
    content = (INPUTS / "F16_token_answer_without_type.json").read_bytes()
    assert read_grant(content) == Grant(access_token="shpat_abc", expires_in=86399.0)
