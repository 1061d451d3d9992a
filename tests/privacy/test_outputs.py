"""Personal data is in bodies, in the journal, and in what the client gets. It is in no log, metric, status or probe.

A server process gets the samples of all aggregators with marked people in them, and bodies, URLs and headers that are
wrong; its clients' endpoints repeat what they were sent. Then every output is searched for the mark.
"""

import asyncio
import contextlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from aggregators.bodies import SAMPLES
from support import manifests
from support.deadline import until
from support.manifests import Client
from support.server import ServerProcess, running
from support.sink import Arrival, Behaviour, open_sink

MARK = "markedperson"
PERSON = {
    "customer_name": f"Rahul {MARK}",
    "customer_phone": f"98765-{MARK}",
    "customer_email": f"{MARK}@example.test",
    "drop_address": f"12 {MARK} Road",
    "activity": f"Out for delivery, rider {MARK} 9876543210",
    "remark": f"handed to {MARK}",
    "location": f"{MARK} Nagar",
}
SLUGS = {"clickpost": "clickpost", "shiprocket": "st", "shipway": "shipway"}
STATUSES = (500, 400, 410, 302, 429, 200)
"""What the endpoints answer, one client each."""


def marked(value: Any) -> Any:
    """The body with people in it, everywhere."""
    if isinstance(value, list):
        return [marked(item) for item in value]
    if isinstance(value, dict):
        found = {name: marked(item) for name, item in value.items()}
        return PERSON | found | PERSON if found else found  # first: only the beginning of an answer is kept
    return value


def bodies() -> Iterator[tuple[str, bytes]]:
    """Every sample, marked."""
    for slug in SLUGS:
        for file in sorted((SAMPLES / slug).iterdir(), key=lambda command: command.name):
            yield slug, json.dumps(marked(json.loads(file.read_bytes()))).encode()


def repeating(status: int) -> Behaviour:
    """An endpoint that answers with what it was sent, in its own words and in ours."""

    async def behave(arrival: Arrival) -> web.Response:
        headers = {"Location": f"http://127.0.0.1:1/{MARK}", "X-Note": MARK}
        return web.Response(status=status, body=b"no %s here: " % MARK.encode() + arrival.body, headers=headers)

    return behave


async def post_wrong_things(url: str, session: aiohttp.ClientSession) -> None:
    """Requests that are refused, each with the mark where it may be told of."""
    path = f"{url}/rms/in/api"
    person = json.dumps({"waybill": "1", **PERSON}).encode()
    tries = [
        (f"{path}/clickpost/notify?key={MARK}", person, {}),
        (f"{path}/clickpost/notify/{MARK}", person, {}),
        (f"{path}/clickpost/notify", person, {"webhook_key": MARK, "Authorization": f"Bearer {MARK}"}),
        (f"{path}/clickpost/notify?key=key-of-c500", person[:-3], {}),
        (f"{path}/clickpost/notify?key=key-of-c500", MARK.encode(), {}),
        (f"{path}/clickpost/notify?key=key-of-c500", io.BytesIO(person + b" " * 2_000_000), {}),
        (f"{path}/{MARK}/notify", person, {}),
        (f"{url}/{MARK}?{MARK}={MARK}", person, {}),
        (f"{path}/shipway/notify", json.dumps({"hash": MARK, "status_feed": [{"awbno": "1", **PERSON}]}).encode(), {}),
    ]
    for where, body, headers in tries:
        async with session.post(where, data=body, headers=headers) as answer:
            assert answer.status in {400, 401, 404, 413}, where
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    writer.write(f"POST /{MARK} HTTP/9.9\r\n{MARK}: {MARK}\r\n{MARK}\r\n\r\n".encode())
    await reader.read()
    writer.close()


async def outputs(server: ServerProcess) -> dict[str, str]:
    """All that the server shows, but for the journal and the clients' pushes."""
    shown = {"log": "\n".join(json.dumps(line) for line in server.log)}
    for path in ("/livez", "/readyz", "/metrics", "/config", "/undelivered", "/api/v1/replays", "/api/v1/erasures"):
        shown[path] = (await server.probe(path)).text
    return shown


async def test_no_personal_data_in_any_output(tmp_path: Path) -> None:
    async with contextlib.AsyncExitStack() as stack:
        sinks = {status: await stack.enter_async_context(open_sink(repeating(status))) for status in STATUSES}
        clients = [
            Client(name=f"c{status}", url=sink.url, delivery={"retry": {"schedule": ["100ms"]}})
            for status, sink in sinks.items()
        ]
        clients += [Client(name=f"{slug}-client", aggregator=slug, url=sinks[200].url) for slug in SLUGS]
        resources = manifests.write(tmp_path / "resources", clients)
        async with running(resources, tmp_path / "data") as server, aiohttp.ClientSession() as session:
            stored = 0
            for slug, body in bodies():
                for client in (client for client in clients if client.aggregator == slug):
                    where = f"{server.url}/rms/in/api/{SLUGS[slug]}/notify?key={client.key}"
                    async with session.post(where, data=body) as answer:
                        assert answer.status == 200
                        stored += (await answer.json()).get("accepted", 0)
            assert stored > 50
            await post_wrong_things(server.url, session)
            failing = ["c500", "c400", "c410", "c302", "c429"]
            await until(
                lambda: all(any(line.get("push_config") == f"{name}/push" for line in server.log) for name in failing),
                seconds=20,
                what=server.tail,
            )
            async with asyncio.timeout(20):
                while len(json.loads((await server.probe("/undelivered")).text)["pushConfigs"]) < 4:
                    pass
            shown = await outputs(server)
            await server.terminate()
        shown["log at the end"] = "\n".join(json.dumps(line) for line in server.log)
        assert any(MARK.encode() in arrival.body for arrival in sinks[200].arrivals), "the client gets all of it"
        told = {name: _around(text) for name, text in shown.items() if MARK in text.lower()}
        assert told == {}
        assert "9876543210" not in "".join(shown.values())


def _around(text: str) -> str:
    at = text.lower().index(MARK)
    return text[max(at - 200, 0) : at + 50]
