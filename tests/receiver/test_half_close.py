"""A sender may close its sending side right after its request; it still reads the answer."""

from pathlib import Path

import pytest

from receiver.raw import connect, post
from support.bodies import body
from support.serving import serving

KEY = "x-api-key: right-key-of-clickpost"
UPDATE = body("clickpost", mark=1, shipment=1, second=1)
CHUNKED = b"%x\r\n%s\r\n0\r\n\r\n" % (len(UPDATE), UPDATE)
REQUESTS = {
    "with a Content-Length": post(UPDATE, KEY),
    "in chunks": post(b"", KEY, "Transfer-Encoding: chunked").replace(b"Content-Length: 0\r\n", b"") + CHUNKED,
    "HTTP/1.0": post(UPDATE, KEY).replace(b"HTTP/1.1", b"HTTP/1.0"),
}


@pytest.mark.parametrize("request_bytes", REQUESTS.values(), ids=REQUESTS.keys())
@pytest.mark.parametrize("pause_before_close", [False, True])
async def test_a_request_is_answered_after_its_sender_has_closed_its_side(
    tmp_path: Path, request_bytes: bytes, *, pause_before_close: bool
) -> None:
    async with serving(tmp_path) as server, connect(server.address) as raw:
        head, body_bytes = request_bytes[:-10], request_bytes[-10:]
        if pause_before_close:  # the head and most of the body arrive first: the handler already reads the body
            await raw.send(head)
            async with connect(server.address) as other:
                await other.send(post(b"{}"))
                await other.head()
            await raw.send(body_bytes)
        else:
            await raw.send(request_bytes)
        raw.writer.write_eof()
        answer = await raw.rest()

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b'{"accepted": 1, "duplicates": 0}')


async def test_all_pipelined_requests_are_answered_and_then_the_connection_closes(tmp_path: Path) -> None:
    count = 100  # more than the parser queues before it pauses reading
    async with serving(tmp_path) as server, connect(server.address) as raw:
        requests = [post(body("clickpost", mark=n, shipment=n, second=1), KEY) for n in range(count)]
        await raw.send(b"".join(requests))
        raw.writer.write_eof()
        answers = await raw.rest()

    assert answers.count(b"HTTP/1.1 200 ") == count
    assert answers.count(b'{"accepted": 1, "duplicates": 0}') == count


@pytest.mark.parametrize("sent", [b"", b"POST /rms/in/api/clickpost/notify HTTP/1.1\r\nHost: a\r\n"])
async def test_a_connection_without_a_whole_head_is_closed_at_once(tmp_path: Path, sent: bytes) -> None:
    async with serving(tmp_path) as server, connect(server.address) as raw:
        await raw.send(sent)
        raw.writer.write_eof()
        assert await raw.rest() == b""


@pytest.mark.parametrize("transfer", ["length", "chunked"])
async def test_a_body_that_is_cut_short_gets_400_and_is_stored_nowhere(tmp_path: Path, transfer: str) -> None:
    whole = REQUESTS["in chunks"] if transfer == "chunked" else REQUESTS["with a Content-Length"]
    async with serving(tmp_path) as server:
        async with connect(server.address) as raw:
            await raw.send(whole[:-10])
            raw.writer.write_eof()
            assert (await raw.rest()).startswith(b"HTTP/1.1 400 ")
        async with connect(server.address) as raw:
            await raw.send(post(UPDATE, KEY))
            assert (await raw.reader.readuntil(b"}")).endswith(b'{"accepted": 1, "duplicates": 0}')


async def test_an_http_1_0_sender_gets_no_100_continue(tmp_path: Path) -> None:
    head = post(b"", KEY, "Expect: 100-continue", length=len(UPDATE)).replace(b"HTTP/1.1", b"HTTP/1.0")
    async with serving(tmp_path) as server, connect(server.address) as raw:
        await raw.send(head)
        async with connect(server.address) as other:  # its answer shows that the head above was read, too
            await other.send(post(b"{}"))
            await other.head()
        await raw.send(UPDATE)
        answer = await raw.rest()

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"100 Continue" not in answer
