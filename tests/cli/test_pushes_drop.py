"""`trackpush pushes drop` against a real server: pushes whose PushConfig was really deleted while they were pending."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import aiohttp
import pytest

from support.bodies import body
from support.command import Result, trackpush
from support.deadline import until
from support.postgres_fixtures import EITHER_STORAGE
from support.serving import HeldSource, account, serving, table
from trackpush_api.routing import Destination, Storage
from trackpush_api.vocabulary import Aggregator
from trackpush_server.config.source import Loaded
from trackpush_server.server import Server

pytestmark = EITHER_STORAGE
DEAD_END = "http://127.0.0.1:9/hook"
DROP = ("pushes", "drop", "--without-push-config")


class Rig(NamedTuple):
    """A server with three pushes of client acme whose PushConfig was deleted."""

    server: Server
    token_file: Path

    async def run(self, *arguments: str, stdin: str = "") -> Result:
        """A command against this server."""
        where = ("--admin", self.server.admin_address, "--token-file", str(self.token_file))
        return await trackpush(*arguments, *where, stdin=stdin)

    async def states(self, push_config: str) -> list[tuple[str, str | None]]:
        """State and reason of each push."""
        listed = await self.run("pushes", "list", "--push-config", push_config, "-o", "json")
        return [(push["state"], push["error"]) for push in json.loads(listed.stdout)["pushes"]]


@pytest.fixture
async def rig(tmp_path: Path, storage: Storage) -> AsyncIterator[Rig]:
    token = tmp_path / "token"
    token.write_text("a-token-of-the-test\n")
    mine = account(Aggregator.CLICKPOST, "k", destinations=("acme/gone",))
    other = account(Aggregator.CLICKPOST, "z", name="zen/clickpost", destinations=("zen/push",))
    places = [Destination(name="acme/gone", url=DEAD_END), Destination(name="zen/push", url=DEAD_END)]
    source = HeldSource(table(mine, other, destinations=places, storage=storage))
    async with serving(tmp_path, source=source, admin_token_file=token) as server:
        url = f"http://{server.address}/rms/in/api/clickpost/notify"
        async with aiohttp.ClientSession() as session:
            for key, mark in (("k", 1), ("k", 2), ("k", 3), ("z", 4)):
                content = body("clickpost", mark=mark, shipment=mark, second=1)
                async with session.post(url, data=content, params={"key": key}) as answer:
                    assert answer.status == 200
        without = account(Aggregator.CLICKPOST, "k", destinations=())
        after = source.loaded = Loaded(table=table(without, other, destinations=places[1:], storage=storage))
        await until(lambda: server._tables.table is after.table, seconds=30, what="the table without the PushConfig")
        yield Rig(server, token)


async def test_the_pushes_end_as_dropped_with_a_reason_and_the_audit_log_says_who(rig: Rig) -> None:
    asked = await rig.run(*DROP, stdin="n\n")
    assert asked.exit_code == 2
    assert "acme/gone" in asked.stdout
    assert "zen/push" not in asked.stdout
    assert "nothing was dropped; --yes drops without asking" in asked.stderr
    assert {state for state, _ in await rig.states("acme/gone")} == {"pending"}
    done = await rig.run(*DROP, "--yes")
    assert done.exit_code == 0
    assert "3 pushes were dropped" in done.stdout
    reason = "dropped by hand: its PushConfig did not exist"
    assert await rig.states("acme/gone") == [("dropped", reason)] * 3
    assert [state for state, _ in await rig.states("zen/push")] == ["pending"]
    (entry,) = await rig.server._journal.search.audits(before=None, limit=10)
    assert (entry.action, entry.target, entry.role) == ("pushes.drop", "3 pushes without a PushConfig", "operate")
    again = await rig.run(*DROP, "--yes")
    assert "no push waits for a PushConfig that does not exist" in again.stdout


async def test_pushes_of_a_push_config_that_exists_are_never_dropped(rig: Rig) -> None:
    done = await rig.run(*DROP, "--push-config", "zen/push", "--yes", "-o", "json")
    answer = json.loads(done.stdout)
    assert (answer["dropped"], answer["pushConfigs"]) == (0, [])
    assert [state for state, _ in await rig.states("zen/push")] == ["pending"]


async def test_only_the_pushes_of_the_named_client_are_dropped(rig: Rig) -> None:
    done = await rig.run(*DROP, "--client", "zen", "--yes", "-o", "json")
    assert json.loads(done.stdout)["dropped"] == 0
    done = await rig.run(*DROP, "--client", "acme", "--yes", "-o", "json")
    assert json.loads(done.stdout)["pushConfigs"] == [{"pushConfig": "acme/gone", "pushes": 3}]


async def test_a_push_config_that_an_aggregator_webhook_names_is_dropped_by_name_only(
    rig: Rig, storage: Storage
) -> None:
    source = rig.server._watcher._source
    assert isinstance(source, HeldSource)
    named = account(Aggregator.CLICKPOST, "k", destinations=("acme/gone",))
    after = source.loaded = Loaded(table=table(named, storage=storage))
    await until(lambda: rig.server._tables.table is after.table, seconds=30, what="the table that names it")
    done = await rig.run(*DROP, "--yes", "--client", "acme")
    assert "not dropped, because an AggregatorWebhook names them: acme/gone" in done.stderr
    done = await rig.run(*DROP, "--yes", "--push-config", "acme/gone")
    assert "3 pushes were dropped" in done.stdout
