"""`trackpush pushes try` and `pushes reopen` against a real server, and a client that answers as the test says."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest

from admin.test_resuming import Client
from admin.test_why import codes, given, listed, post
from support.command import Result, trackpush
from support.serving import serving
from support.sink import open_sink
from trackpush_api.routing import Sqlite
from trackpush_server.server import Server


class Rig(NamedTuple):
    """A server with one push, and its client."""

    server: Server
    client: Client

    async def run(self, *arguments: str) -> Result:
        return await trackpush("pushes", *arguments, "--admin", self.server.admin_address)


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    client = Client(503)
    async with open_sink(client) as sink, serving(tmp_path, given(sink, Sqlite())) as server:
        await post(server, 1, shipment=1)
        yield Rig(server, client)


async def test_a_tried_push_exits_with_1_until_it_is_delivered(rig: Rig) -> None:
    await codes(rig.server, "RetryScheduled")
    (push,) = await listed(rig.server)
    failed = await rig.run("try", push["id"])
    assert (failed.exit_code, failed.stdout.startswith("attempt 2: HTTP 503")) == (1, True), failed
    rig.client.status = 200
    done = await rig.run("try", push["id"], "-o", "json")
    assert (done.exit_code, json.loads(done.stdout)["push"]["state"]) == (0, "delivered")


async def test_a_push_that_does_not_exist_is_not_tried(rig: Rig) -> None:
    missing = await rig.run("try", "psh_none")
    assert missing.exit_code == 1
    assert "psh_none" in missing.stderr


async def test_a_gone_endpoint_is_reopened_once(rig: Rig) -> None:
    await codes(rig.server, "RetryScheduled")
    rig.client.status = 410
    (push,) = await listed(rig.server)
    gone = await rig.run("try", push["id"])
    assert gone.exit_code == 1
    await codes(rig.server, "EndpointGone")
    rig.client.status = 200
    opened = await rig.run("reopen", push["pushConfig"])
    assert opened.exit_code == 0
    assert "is open again" in opened.stdout
    await codes(rig.server, "Delivered")
    again = await rig.run("reopen", push["pushConfig"])
    assert again.exit_code == 1, again
