"""Compiling and sending judge by the same rules: what `trackpush check` accepts is sent, what it refuses is not."""

import asyncio

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from support.examples import examples
from trackpush_api.destinations import compile_destination
from trackpush_api.manifest import Resource, Secret, with_spec
from trackpush_api.routing import Destination, Egress
from trackpush_server.outbound.transport import HttpTransport, RefusingSender

OMS = Resource(kind="PushConfig", namespace="acme", name="oms", spec=None)
STRICT = Egress(denied_cidrs=("8.8.4.0/24",))
ADDRESSES = "127.0.0.1 [::1] 8.8.8.8 8.8.4.4 169.254.169.254 0x7f.1 [::ffff:10.0.0.1] [2600::1]"
HOST_NAMES = "oms.example localhost app.localhost oms..example -a.example a_b.example bücher.example xn--a a:b@c.d"
HOSTS = st.sampled_from([*ADDRESSES.split(), *HOST_NAMES.split()])
URLS = st.builds(
    lambda scheme, host, port, rest: f"{scheme}://{host}{port}/{rest}",
    st.sampled_from(["https", "http"]),
    HOSTS | st.text(st.characters(categories=["L", "N", "P", "S"]), max_size=12),
    st.sampled_from(["", ":443", ":0", ":22", ":65536", ":x", ":8443"]),
    st.text(st.characters(exclude_categories=["Cs", "Z"]), max_size=8),
)
VALUES = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NAMES = st.sampled_from(["X-Key", "host", "Trackpush-Anything", "BAGGAGE", "content-type", "Webhook-Id"]) | VALUES


async def _is_sent(destination: Destination) -> bool:
    transport = HttpTransport()
    try:
        return not isinstance(transport.sender(destination, STRICT), RefusingSender)
    finally:
        await transport.close()


@settings(max_examples=examples(300), deadline=None)
@example("https://oms.example/\x85", "X-Key", "v", False)
@given(URLS, NAMES, VALUES, st.booleans())
def test_what_compiles_is_sent_and_what_does_not_is_refused(url: str, name: str, value: str, secret: bool) -> None:  # noqa: FBT001
    given_value = {"valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}} if secret else {"value": value}
    resource, invalid = with_spec(OMS, {"url": url, "headers": [{"name": name, **given_value}]})
    secrets = {("acme", "s"): Secret(namespace="acme", name="s", values={"k": value})}
    compiled = compile_destination(resource, secrets=secrets, egress=STRICT)
    if compiled.destination is not None:
        assert asyncio.run(_is_sent(compiled.destination))
    elif value.strip():  # an empty Secret is refused, and an empty header could be sent
        headers = ((name, value.strip()),)
        assert (invalid or compiled.problems) and not asyncio.run(  # noqa: PT018  one statement: both or neither
            _is_sent(Destination(name="acme/oms", url=url, headers=headers))
        )


@pytest.mark.parametrize("size", [8192, 8193])
def test_a_value_of_a_secret_is_bounded_as_an_inline_one(size: int) -> None:
    reference = {"valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}
    resource, _ = with_spec(OMS, {"url": "https://oms.example/", "headers": [{"name": "X-Key", **reference}]})
    secrets = {("acme", "s"): Secret(namespace="acme", name="s", values={"k": "v" * size})}
    compiled = compile_destination(resource, secrets=secrets, egress=STRICT)
    inline, _ = with_spec(OMS, {"url": "https://oms.example/", "headers": [{"name": "X-Key", "value": "v" * size}]})
    assert (compiled.destination is not None) == (inline.spec is not None) == (size == 8192)


def test_all_headers_of_a_push_config_together_are_bounded() -> None:
    headers = [{"name": f"X-{n}", "value": "v" * 8000} for n in range(5)]
    resource, _ = with_spec(OMS, {"url": "https://oms.example/", "headers": headers})
    (problem,) = compile_destination(resource, secrets={}, egress=STRICT).problems
    assert "spec.headers: have 40035 bytes in all; at most 32768 are sent" in str(problem)
