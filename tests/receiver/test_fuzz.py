"""Whatever comes in, the answer is one of the README's, or none at all: never 500."""

import asyncio
import contextlib
import re
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from receiver.raw import connect, post
from support.bodies import body
from support.examples import examples
from support.serving import serving, table
from trackpush_api.routing import Limits

ALLOWED = {b"100", b"200", b"400", b"401", b"404", b"405", b"408", b"413", b"431"}
ONE = body("shipway", mark=1, shipment=1, second=1)
KEY = "x-api-key: right-key-of-shipway"
LIMITS = Limits(header_timeout=0.05, body_timeout=0.05, idle_timeout=0.05)

pieces = st.sampled_from(
    [
        b"POST /rms/in/api/st/notify HTTP/1.1\r\n",
        b"GET / HTTP/1.1\r\n",
        b"Host: a\r\n",
        b"\r\n",
        b"\r\n\r\n",
        b"Content-Length: 5\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"5\r\nhello\r\n0\r\n\r\n",
        b"x-api-key: k\r\n",
        b"Content-Encoding: gzip\r\n",
        b"Expect: 100-continue\r\n",
        b"{}",
        b"Upgrade: websocket\r\n",
        b"a" * 9000,
    ],
)
requests = st.one_of(
    st.binary(max_size=200),
    st.lists(st.one_of(pieces, st.binary(max_size=20)), max_size=12).map(b"".join),
    st.binary(max_size=300).map(lambda content: post(content, KEY, path="/rms/in/api/shipway/notify")),
    st.tuples(st.integers(0, len(ONE) - 1), st.binary(max_size=4)).map(
        lambda change: post(ONE[: change[0]] + change[1] + ONE[change[0] :], KEY, path="/rms/in/api/shipway/notify"),
    ),
    st.text(max_size=30).map(lambda text: post(ONE, KEY, f"X: {text!a}", path=f"/rms/in/api/shipway/notify/{text!a}")),
)


def test_any_bytes_get_an_allowed_answer_or_a_closed_connection(tmp_path: Path) -> None:
    with asyncio.Runner() as runner:
        context = serving(tmp_path, table(limits=LIMITS))
        server = runner.run(context.__aenter__())

        seen: set[bytes] = set()

        @settings(
            max_examples=examples(100), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
        )
        @given(requests)
        def check(data: bytes) -> None:
            answer = runner.run(_exchange(server.address, data))
            codes = set(re.findall(rb"HTTP/1\.1 (\d{3}) ", answer))
            seen.update(codes)
            assert codes <= ALLOWED, answer

        try:
            check()
            assert {b"200", b"400"} <= seen
        finally:
            runner.run(context.__aexit__(None, None, None))


async def _exchange(address: str, data: bytes) -> bytes:
    """All answers, until the server closes the connection or has nothing more to say."""
    found = b""
    async with connect(address) as raw:
        await raw.send(data)
        with contextlib.suppress(TimeoutError, ConnectionError):
            while chunk := await asyncio.wait_for(raw.reader.read(65536), 0.05 if found else 5.0):
                found += chunk
    return found
