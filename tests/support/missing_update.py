"""The runbook docs/runbooks/where-is-my-update.md: its commands, and a server with what it explains."""

import asyncio
import contextlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import aiohttp
from aiohttp import web
from msgspec.structs import replace

from journal.stores import sqlite_store, update
from support.bodies import awb, body
from support.deadline import until_found
from support.serving import account, serving, table
from support.sink import Arrival, open_sink
from trackpush_api.routing import Destination, Retry
from trackpush_api.vocabulary import Aggregator
from trackpush_server.server import Server

PAGE: Final = Path(__file__).parents[2] / "docs/runbooks/where-is-my-update.md"
STEPS: Final = dict(re.findall(r"<!-- on a cluster: (\d) [^\n]* -->\n```sh\n(.*?)```", PAGE.read_text(), re.DOTALL))
REJECTED: Final = awb(5)
"""Of the PushConfig ``push``, whose endpoint rejects it until it is repaired."""
WAITING: Final = awb(50)
"""Of the PushConfig ``down``, whose endpoint answers 503 until it is repaired."""
_HOUR: Final = 3_600_000


class Case(NamedTuple):
    """A server of a client that misses updates."""

    server: Server
    client: str
    folder: Path
    repaired: asyncio.Event

    async def step(self, *numbers: int, shipment: str = REJECTED, tools: Path, **environment: str) -> str:
        """Run steps of the runbook as one script; what it prints. ``tools`` comes first on the PATH."""
        return await self.run("\n".join(STEPS[str(number)] for number in numbers), shipment, tools, environment)

    async def step_without_cluster(self, *numbers: int, shipment: str = REJECTED, exit_code: int = 0) -> str:
        """The same with the commands that the page names for a server without a cluster."""
        script = "\n".join(STEPS[str(number)] for number in numbers).replace("kubectl trackpush", "trackpush")
        own = "\n".join(line for line in script.splitlines() if not line.startswith("kubectl "))
        return await self.run(own, shipment, Path(sys.executable).parent, {}, exit_code=exit_code)

    async def run(
        self, script: str, shipment: str, tools: Path, environment: Mapping[str, str], *, exit_code: int = 0
    ) -> str:
        """Run a script of the page."""
        given = {
            **os.environ,
            "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
            "AWB": shipment,
            "ANOTHER_AWB": WAITING,
            "ORDER": f"SO-{shipment}",
            "CLIENT": self.client,
            "TRACKPUSH_ADMIN": self.server.admin_address,
            **environment,
        }
        command = ["bash", "-c", "set -eu -o pipefail\n" + script]
        done = await asyncio.to_thread(
            subprocess.run, command, env=given, capture_output=True, text=True, timeout=100, check=False
        )
        assert done.returncode == exit_code, done.stderr + done.stdout
        return str(done.stdout + done.stderr)

    async def ask(self, path: str) -> Any:
        """What the admin API answers."""
        url = f"http://{self.server.admin_address}/api/v1{path}"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return await answer.json()

    async def until_state(self, shipment: str, state: str, reason: str) -> None:
        """Wait until the push of a shipment has this state for this reason."""

        async def states() -> list[tuple[str, str]]:
            pushes = (await self.ask(f"/pushes?awb={shipment}"))["pushes"]
            return [(push["state"], push["why"]["code"]) for push in pushes]

        await until_found(states, lambda found: found == [(state, reason)], seconds=60)


@contextlib.asynccontextmanager
async def missing_updates(folder: Path, client: str = "acme") -> AsyncIterator[Case]:
    """A client with a rejected push, a waiting push, and an aggregator that stopped seven hours ago."""
    if shutil.which("jq") is None:
        await asyncio.to_thread(subprocess.run, ["apt-get", "install", "-qy", "jq"], check=True, stdout=sys.stderr)
    repaired = asyncio.Event()

    async def picky(arrival: Arrival) -> web.Response:
        is_wrong = REJECTED.encode() in arrival.body and not repaired.is_set()
        return web.Response(status=422 if is_wrong else 200, text="unknown courier" if is_wrong else "")

    async def down(_: Arrival) -> web.Response:
        return web.Response(status=200 if repaired.is_set() else 503, text="maintenance until six")

    await _stop_seven_hours_ago(folder / "data", f"{client}/shipway")
    async with open_sink(picky) as push, open_sink(down) as away:
        accounts = (
            account(Aggregator.CLICKPOST, "k", name=f"{client}/clickpost", destinations=[f"{client}/push"]),
            account(Aggregator.SHIPROCKET, "z", name=f"{client}/shiprocket", destinations=[f"{client}/down"]),
            replace(
                account(Aggregator.SHIPWAY, "w", name=f"{client}/shipway", destinations=[f"{client}/push"]),
                expect_every=6 * _HOUR / 1000,
            ),
        )
        quick = Retry(schedule=(0.01,))
        destinations = [
            Destination(name=f"{client}/push", url=push.url, retry=quick),
            Destination(name=f"{client}/down", url=away.url, retry=quick),
        ]
        async with serving(folder, table(*accounts, destinations=destinations)) as server:
            case = Case(server, client, folder, repaired)
            await _post(server, "clickpost", "k", range(10))
            await _post(server, "st", "z", range(50, 51))
            await case.until_state(REJECTED, "dead", "Refused")
            await case.until_state(WAITING, "pending", "EndpointFailing")
            await until_found(lambda: case.ask("/accounts?state=silent"), lambda found: bool(found["accounts"]))
            yield case


async def _stop_seven_hours_ago(data: Path, name: str) -> None:
    now = int(time.time() * 1000)
    async with sqlite_store(data).open() as opened:
        await opened.put(replace(update(account=name, to=()), received_at=now - 7 * _HOUR))
        await opened.journal.last_updates.listen(now=now)  # a server ran all the time: the aggregator stopped


async def _post(server: Server, segment: str, key: str, shipments: range) -> None:
    names = {"clickpost": "clickpost", "st": "shiprocket"}
    url = f"http://{server.address}/rms/in/api/{segment}/notify"
    async with aiohttp.ClientSession(headers={"x-api-key": key}) as session:
        for number in shipments:
            content = body(names[segment], mark=number, shipment=number, second=number)
            async with session.post(url, data=content) as answer:
                assert answer.status == 200, await answer.text()
