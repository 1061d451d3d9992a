"""What must not reach the log doesn't, and floods stay small."""

import json
from io import StringIO
from pathlib import Path

import aiohttp
import pytest
import structlog

from receiver.raw import connect
from support.bodies import body
from support.serving import account, serving, table
from trackpush_api.vocabulary import Aggregator
from trackpush_runtime.logs import redact, where

MARK = "MARKED-9876543210"
ONE = body("clickpost", mark=1, shipment=1, second=1)


async def test_no_key_no_body_and_no_header_reaches_the_log_or_an_answer(
    tmp_path: Path, client: aiohttp.ClientSession, log: StringIO
) -> None:
    said = []
    async with serving(tmp_path, table(account(Aggregator.CLICKPOST, f"{MARK}-right"))) as server:
        url = f"http://{server.address}/rms/in/api/clickpost/notify"
        content = ONE.replace(b'"location": "', b'"location": "' + MARK.encode(), 1)
        for key in (f"{MARK}-right", f"{MARK}-wrong"):
            for suffix, headers in ((f"?key={key}", {}), (f"/{key}", {}), ("", {"x-api-key": key})):
                async with client.post(url + suffix, data=content, headers=headers) as answer:
                    said.append(await answer.text())
        async with client.post(url + f"/{MARK}/more", data=content) as answer:
            said.append(await answer.text())
        async with client.post(url, data=b"{" + MARK.encode()) as answer:
            said.append(await answer.text())
        async with connect(server.address) as raw:
            await raw.send(f"GET /{MARK} HTTP/1.1\r\n{MARK} {MARK}\r\n\r\n".encode())
            said.append((await raw.rest()).decode())
        async with client.get(f"http://{server.admin_address}/metrics") as answer:
            said.append(await answer.text())
        async with client.get(f"http://{server.admin_address}/config") as answer:
            said.append(await answer.text())

    assert "listening" in log.getvalue()
    assert MARK not in log.getvalue()
    assert MARK not in "".join(said)


async def test_a_flood_of_wrong_keys_fills_no_log_and_makes_no_series(
    tmp_path: Path, client: aiohttp.ClientSession, log: StringIO
) -> None:
    async with serving(tmp_path) as server:
        url = f"http://{server.address}/rms/in/api/clickpost/notify"
        for number in range(60):
            async with client.post(url, data=ONE, headers={"x-api-key": str(number)}) as answer:
                assert answer.status == 401
        async with client.get(f"http://{server.admin_address}/metrics") as answer:
            metrics = await answer.text()

    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert sum(line["event"] == "request_unauthorized" for line in lines) <= 5
    assert 'trackpush_ingest_requests_total{aggregator="clickpost",code="401"} 60.0' in metrics
    assert metrics.count("trackpush_ingest_requests_total{") == 1


def test_fields_that_must_not_be_logged_are_redacted_as_a_second_net(log: StringIO) -> None:
    structlog.get_logger().info("x", body="s1", webhook_key="s2", Phone="s3", headers={"a": "s4"}, push_config="a/b")

    line = json.loads(log.getvalue())
    assert {line[name] for name in ("body", "webhook_key", "Phone", "headers")} == {"[redacted]"}
    assert line["push_config"] == "a/b"
    assert line["time"].endswith("Z")
    assert redact(None, "", {"event": "x", "api_key": 1})["api_key"] == "[redacted]"


def test_the_place_of_an_exception_is_reported_without_its_text() -> None:
    with pytest.raises(ValueError, match=MARK) as raised:
        int(MARK)

    assert "test_secrets.py" in where(raised.value)
    assert MARK not in where(raised.value)
