"""`trackpush replay` and `trackpush erase` against a real server, and what they say when it can't be done."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import aiohttp
import msgspec
import pytest

from support.bodies import body
from support.command import Result, trackpush
from support.deadline import until
from support.serving import account, serving, table
from support.sink import Arrival, Sink, open_sink
from trackpush_api.routing import Destination
from trackpush_api.vocabulary import Aggregator
from trackpush_server.server import Server


class Rig(NamedTuple):
    """A server that has delivered three pushes of client acme."""

    server: Server
    sink: Sink
    data: Path
    token_file: Path

    async def run(self, *arguments: str, stdin: str = "") -> Result:
        """A command against this server."""
        where = ("--admin", self.server.admin_address, "--token-file", str(self.token_file))
        return await trackpush(*arguments, *where, stdin=stdin)

    async def post(self, mark: int) -> None:
        """One more update, of a shipment of its own."""
        url = f"http://{self.server.address}/rms/in/api/clickpost/notify?key=k"
        async with aiohttp.ClientSession() as session:
            await session.post(url, data=body("clickpost", mark=mark, shipment=mark, second=1))

    def breaker(self) -> str:
        """The state of the client's endpoint."""
        (snapshot,) = self.server._dispatcher.snapshot()
        return snapshot.breaker

    def awb(self, mark: int) -> str:
        """Of a delivered push."""
        arrival = next(arrival for arrival in self.sink.arrivals if arrival.mark == mark)
        return str(msgspec.json.decode(arrival.body)["shipment"]["awb"])


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    token = tmp_path / "token"
    token.write_text("a-token-of-the-test\n")
    async with open_sink() as sink:
        given = table(account(Aggregator.CLICKPOST, "k"), destinations=[Destination(name="acme/push", url=sink.url)])
        async with serving(tmp_path, given, admin_token_file=token) as server:
            url = f"http://{server.address}/rms/in/api/clickpost/notify?key=k"
            async with aiohttp.ClientSession() as session:
                for mark in (1, 2, 3):
                    await session.post(url, data=body("clickpost", mark=mark, shipment=mark, second=1))
            made = Rig(server, sink, tmp_path / "data", token)
            dry = ("replay", "--client", "acme", "--state", "delivered", "--dry-run", "-o", "json")
            async with asyncio.timeout(20):
                while json.loads((await made.run(*dry)).stdout)["found"] != {"acme/push": {"delivered": 3}}:
                    pass
            yield made


async def refuse(_: Arrival) -> int:
    """Answer as an endpoint that is down."""
    return 500


async def test_a_dry_run_says_what_would_be_sent_and_sends_nothing(rig: Rig) -> None:
    result = await rig.run("replay", "--push-config", "acme/push", "--state", "delivered", "--dry-run")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "PUSHCONFIG  STATE      PUSHES",
        "acme/push   delivered  3",
        "dry run: nothing was sent; leave out --dry-run to send them",
    ]
    assert len(rig.sink.arrivals) == 3


async def test_a_replay_sends_again_and_pushes_show_says_so(rig: Rig) -> None:
    first = next(arrival for arrival in rig.sink.arrivals if arrival.mark == 1)
    result = await rig.run("replay", "--id", first.webhook_id, "--state", "delivered", "--yes", "-o", "json")
    assert json.loads(result.stdout)["replayed"] == 1
    await until(lambda: len(rig.sink.arrivals) == 4, seconds=10, what="the replay has come")
    assert rig.sink.arrivals[-1].webhook_id == first.webhook_id
    shown = await trackpush("pushes", "show", first.webhook_id, "--data", str(rig.data))
    assert "replayed:           1 times" in shown.stdout


async def test_delivered_pushes_are_counted_and_sent_again_only_after_a_yes(rig: Rig) -> None:
    selection = ("replay", "--push-config", "acme/push", "--state", "delivered")
    for answer in ("n\n", ""):  # no, and nobody there to answer
        refused = await rig.run(*selection, stdin=answer)
        assert refused.exit_code == 2
        assert "acme/push: 3 delivered" in refused.stderr
        assert "Send 3 pushes again, delivered ones included?" in refused.stderr
        assert "nothing was sent; --yes sends without asking" in refused.stderr
    assert len(rig.sink.arrivals) == 3
    agreed = await rig.run(*selection, stdin="y\n")
    assert "3 pushes are pending again" in agreed.stdout
    await until(lambda: len(rig.sink.arrivals) == 6, seconds=10, what="all were sent again")


async def test_a_replay_while_the_endpoint_fails_says_when_the_pushes_are_sent(rig: Rig) -> None:
    rig.sink.behaviour = refuse
    for mark in range(4, 10):
        await rig.post(mark)
    await until(lambda: rig.breaker() == "open", seconds=20, what="the breaker opens")
    delivered = next(arrival for arrival in rig.sink.arrivals if arrival.mark == 1)
    result = await rig.run("replay", "--id", delivered.webhook_id, "--state", "delivered", "--yes")
    assert "1 pushes are pending again" in result.stdout
    assert "acme/push: its endpoint is failing; they are sent when it recovers" in result.stdout


async def test_a_replay_of_a_pending_push_says_that_it_is_pending(rig: Rig) -> None:
    rig.sink.behaviour = refuse
    await rig.post(4)
    await until(lambda: len(rig.sink.arrivals) >= 4, seconds=10, what="the first attempt failed")
    pending = next(arrival for arrival in rig.sink.arrivals if arrival.mark == 4)
    awb = rig.awb(4)
    for selection in (("--id", pending.webhook_id), ("--awb", awb), ("--push-config", "acme/push")):
        result = await rig.run("replay", *selection)
        assert result.exit_code == 0
        assert result.stdout.splitlines()[0] == "acme/push: 1 matching push is pending already and needs no replay"


async def test_by_default_only_dead_pushes_are_replayed(rig: Rig) -> None:
    result = await rig.run("replay", "--client", "acme")
    assert result.exit_code == 0
    assert "nothing matches" in result.stdout


async def test_an_erased_shipment_is_gone_for_the_command_line_too(rig: Rig) -> None:
    awb, push = rig.awb(2), next(arrival.webhook_id for arrival in rig.sink.arrivals if arrival.mark == 2)
    result = await rig.run("erase", "--awb", awb, "--reason", "request 4711")
    assert result.stdout == "1 updates were erased, and nothing of them is left in the journal's files\n"
    shown = await trackpush("pushes", "show", push, "--body", "--data", str(rig.data))
    assert "erased:" in shown.stdout
    assert awb not in shown.stdout
    listed = await rig.run("erase", "--list")
    assert "awb sha256:" in listed.stdout
    assert "request 4711" in listed.stdout
    assert awb not in listed.stdout


async def test_a_whole_client_is_erased_only_when_one_says_yes(rig: Rig) -> None:
    kept = await rig.run("erase", "--client", "acme", stdin="n\n")
    assert kept.exit_code == 2
    assert "nothing was erased; --yes erases without asking" in kept.stderr
    assert "3 updates were erased" in (await rig.run("erase", "--client", "acme", "--yes")).stdout


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("replay",), 2, "name what to replay: --id, --awb, --client, --push-config or --error"),
        (("erase",), 2, "name the data to erase: --awb or --client"),
        (("replay", "--id", "nonsense"), 1, "not a push id: 'nonsense'"),
    ],
)
async def test_what_selects_nothing_is_refused(rig: Rig, arguments: tuple[str, ...], code: int, told: str) -> None:
    result = await rig.run(*arguments)
    assert result.exit_code == code
    assert told in result.stderr


async def refused(*arguments: str) -> str:
    """What a replay that could not begin says."""
    result = await trackpush("replay", "--client", "acme", *arguments)
    assert result.exit_code == 2
    return result.stderr


async def test_a_wrong_token_or_address_says_what_to_do(rig: Rig, tmp_path: Path) -> None:
    assert "it needs the admin token; give --token-file" in await refused("--admin", rig.server.admin_address)
    (tmp_path / "other").write_text("another-token")
    other = await refused("--admin", rig.server.admin_address, "--token-file", str(tmp_path / "other"))
    assert "it refuses this token; compare it with the server's --admin-token-file" in other
    assert "this is not the admin port of a Trackpush server" in await refused("--admin", rig.server.address)
    assert "no answer (ConnectionRefusedError" in await refused("--admin", "127.0.0.1:1")
    assert "--token-file" in await refused("--token-file", str(tmp_path / "none"))
    assert "give http://HOST:PORT" in await refused("--admin", "ftp://x")
