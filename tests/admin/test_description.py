"""The admin API does what its description says: posted at by schemathesis, with what it allows and what it doesn't."""

import asyncio
import os
import random
import sys
from pathlib import Path

import aiohttp
import pytest

from support.bodies import body
from support.serving import account, serving, table
from support.sink import open_sink
from trackpush_api.routing import Destination
from trackpush_api.vocabulary import Aggregator
from trackpush_server.server import Server

PROGRAM = Path(sys.executable).with_name("st")
BOUNDARIES = ("--phases=coverage",)
"""Each parameter and field at and beyond what the description says: always the same requests."""
FUZZED = ("--phases=fuzzing", "--max-examples=2", "--max-time=10")
"""Bodies and queries made up."""
LONGER = ("--phases=examples,fuzzing,stateful", "--max-examples=6", "--max-time=60")
"""More of them, and operations one after the other as their links say."""
LEFT_OUT = (
    "positive_data_acceptance",  # a selection that names nothing is well-formed, and refused
    "use_after_free",  # DELETE ends a replay; what it came to can still be read
)


async def fill(server: Server) -> None:
    """A few updates of a few shipments."""
    url = f"http://{server.address}/rms/in/api/clickpost/notify"
    async with aiohttp.ClientSession() as session:
        for mark in range(6):
            content = body("clickpost", mark=mark, shipment=mark % 3, second=mark)
            async with session.post(url, data=content, headers={"x-api-key": "k"}) as answer:
                assert answer.status == 200


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "phases",
    [
        pytest.param(BOUNDARIES, id="boundaries", marks=pytest.mark.slow),
        pytest.param(FUZZED, id="fuzzed", marks=pytest.mark.slow),
        pytest.param(LONGER, id="longer", marks=pytest.mark.long),
    ],
)
async def test_every_operation_answers_as_described_whatever_is_asked(tmp_path: Path, phases: tuple[str, ...]) -> None:
    seed = os.environ.get("TRACKPUSH_SEED") or str(random.SystemRandom().randrange(1 << 31))
    print(f"TRACKPUSH_SEED={seed}")  # noqa: T201  shown when it fails, to run it again
    token = tmp_path / "token"
    token.write_text("the-token-of-the-test")
    async with open_sink() as sink:
        given = table(
            account(Aggregator.CLICKPOST, "k"),
            destinations=[Destination(name="acme/push", url=sink.url)],
        )
        async with serving(tmp_path, given, admin_token_file=token) as server:
            await fill(server)
            process = await asyncio.create_subprocess_exec(
                PROGRAM,
                "run",
                f"http://{server.admin_address}/api/v1/openapi.json",
                "--header=Authorization: Bearer the-token-of-the-test",
                "--exclude-operation-id=tail",  # it never ends
                *phases,
                f"--seed={seed}",
                "--generation-database=none",
                "--suppress-health-check=all",  # of its generators, not of the server
                f"--exclude-checks={','.join(LEFT_OUT)}",
                "--no-color",
                cwd=tmp_path,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
