"""Bytes from the field: senders that half-close or speak HTTP/1.0, and a client whose answer frames its body twice."""

import asyncio
import json
from pathlib import Path

import aiohttp

from field.resources import INPUTS, compiled, errors
from receiver.raw import connect
from support.bodies import body
from support.deadline import until
from support.serving import account, serving, table
from trackpush_api.routing import Destination
from trackpush_api.vocabulary import Aggregator

ACCOUNT = account(Aggregator.CLICKPOST, "try-out-clickpost-key")


async def test_f04_a_sender_that_closes_its_side_after_its_request_gets_200(tmp_path: Path) -> None:
    async with serving(tmp_path, table(ACCOUNT)) as server, connect(server.address) as raw:
        await raw.send((INPUTS / "F04_half_close_request.raw").read_bytes())
        raw.writer.write_eof()
        answer = await raw.rest()

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b'{"accepted": 1, "duplicates": 0}')


async def test_f12_an_http_1_0_sender_gets_the_final_answer_only(tmp_path: Path) -> None:
    async with serving(tmp_path, table(ACCOUNT)) as server, connect(server.address) as raw:
        await raw.send((INPUTS / "F12_http10_expect_head.raw").read_bytes())
        await raw.send((INPUTS / "F12_http10_expect_body.raw").read_bytes())
        answer = await raw.rest()

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"100 Continue" not in answer


async def test_f11_a_clients_200_counts_although_its_head_frames_the_body_twice(tmp_path: Path) -> None:
    requests = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
        await reader.readexactly(int(length.split(b":")[1]))
        requests += 1
        writer.write((INPUTS / "F11a_answer_te_and_cl.raw").read_bytes())
        await writer.drain()
        writer.close()

    client = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{client.sockets[0].getsockname()[1]}/hook"
    given = table(ACCOUNT, destinations=[Destination(name="acme/push", url=url)])
    async with client, serving(tmp_path, given) as server, aiohttp.ClientSession() as session:
        headers = {"x-api-key": "try-out-clickpost-key"}
        content = body("clickpost", mark=1, shipment=1, second=1)
        async with session.post(f"http://{server.address}/rms/in/api/clickpost/notify", data=content, headers=headers):
            pass
        await until(lambda: requests == 1, seconds=10, what="the push")
        pushes = f"http://{server.admin_address}/api/v1/pushes?state=delivered"
        async with asyncio.timeout(10):
            while True:
                async with session.get(pushes) as listed:
                    if json.loads(await listed.text())["pushes"]:
                        break
    assert requests == 1


def test_f10_a_url_with_user_and_password_is_refused_when_it_is_written() -> None:
    told = errors(compiled("F10_userinfo_url_low_traffic.yaml"))

    assert any("PushConfig acme/oms spec.url" in line and "user" in line for line in told), told
