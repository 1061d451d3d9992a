"""The runbook's commands, run as they stand there against a server with a dead push: from AWB to cause to replay."""

import asyncio
import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import aiohttp
import pytest
import structlog
from aiohttp import web

from support.bodies import awb, body
from support.command import invoked
from support.serving import account, serving, table
from support.sink import Arrival, open_sink
from trackpush_api.routing import Destination, Retry
from trackpush_api.vocabulary import Aggregator
from trackpush_server import logs
from trackpush_server.server import Server

PAGE = Path(__file__).parents[2] / "docs/runbooks/where-is-my-update.md"
STEPS = dict(re.findall(r"<!-- on a cluster: (\d) [^\n]* -->\n```sh\n(.*?)```", PAGE.read_text(), re.DOTALL))
WRONG = 5
"""The shipment that the client refuses until it is repaired."""


class Rig(NamedTuple):
    """A server whose client has refused one update for good."""

    server: Server
    folder: Path
    repaired: asyncio.Event

    async def step(self, number: int) -> str:
        """A step of the runbook, with a kubectl that calls its plugin as kubectl does."""
        tools = self.folder / "bin"
        if not tools.exists():
            tools.mkdir()
            plugin = Path(sys.executable).parent / "trackpush"
            (tools / "kubectl").write_text(f'#!/bin/sh\nshift\nexec {plugin} "$@"\n')
            (tools / "kubectl").chmod(0o755)
        environment = {
            **os.environ,
            "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
            "AWB": awb(WRONG),
            "CLIENT": "acme",
            "TRACKPUSH_ADMIN": self.server.admin_address,
        }
        script = "set -eu -o pipefail\n" + STEPS[str(number)]
        done = await asyncio.to_thread(
            subprocess.run, ["bash", "-c", script], env=environment, capture_output=True, text=True, timeout=100
        )
        assert done.returncode == 0, done.stderr
        return str(done.stdout)


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    repaired = asyncio.Event()

    async def behave(arrival: Arrival) -> web.Response:
        is_wrong = awb(WRONG).encode() in arrival.body and not repaired.is_set()
        return web.Response(status=422 if is_wrong else 200, text="unknown courier" if is_wrong else "")

    if shutil.which("jq") is None:
        subprocess.run(["apt-get", "install", "-qy", "jq"], check=True, stdout=sys.stderr)  # noqa: ASYNC221  once
    logs.configure("json", io.StringIO())
    async with open_sink(behave) as sink, aiohttp.ClientSession() as session:
        destination = Destination(name="acme/push", url=sink.url, retry=Retry(schedule=(0.01,)))
        given = table(account(Aggregator.CLICKPOST, "k"), destinations=[destination])
        async with serving(tmp_path, given) as server:
            url = f"http://{server.address}/rms/in/api/clickpost/notify?key=k"
            for mark in range(10):
                async with session.post(url, data=body("clickpost", mark=mark, shipment=mark, second=mark)) as answer:
                    assert answer.status == 200
            async with asyncio.timeout(60):
                dead = ("pushes", "list", "--state", "dead", "--admin", server.admin_address, "-o", "json")
                while not (await invoked(*dead)).json["pushes"]:
                    pass
            yield Rig(server, tmp_path, repaired)
    structlog.reset_defaults()


@pytest.mark.slow
async def test_from_awb_to_cause_to_replay_in_four_commands(rig: Rig) -> None:
    story = await rig.step(1)
    await rig.step(2)
    tries = await rig.step(3)
    rig.repaired.set()
    replayed = await rig.step(4)

    assert re.search(r"acme/push +dead +6 +Refused: .*HTTP 422: unknown courier", story)
    assert tries.count("HTTP 422: unknown courier") >= 6
    assert "1 pushes are pending again" in replayed
    async with asyncio.timeout(60):
        while not re.search(r"acme/push +delivered", await rig.step(1)):
            pass
