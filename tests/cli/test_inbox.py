"""`trackpush inbox` shows what was not recognised, from a server and from a file, and says what a retry came to."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import aiohttp
import pytest
import structlog
from click.testing import CliRunner

from support.command import Result, invoked
from support.serving import serving
from trackpush_cli.main import cli
from trackpush_server import logs
from trackpush_server.server import Server

BODY = b'{"data": {"waybill": "7020", "note": "caf\xe9"}}'


class Rig(NamedTuple):
    """A server on which one body was not recognised."""

    server: Server
    data: Path
    operate: Path
    view: Path

    async def run(self, *arguments: str, token: Path | None = None) -> Result:
        """A command that asks the server."""
        place = ("--admin", self.server.admin_address, "--token-file", str(token or self.operate))
        return await invoked(*arguments, *place)

    async def id(self) -> str:
        """The id of the body."""
        (one,) = (await self.run("inbox", "list", "-o", "json")).json["bodies"]
        return str(one["id"])


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    logs.configure("json", io.StringIO())
    operate, view = tmp_path / "operate", tmp_path / "view"
    operate.write_text("token-that-may-operate")
    view.write_text("token-that-may-view")
    async with (
        serving(tmp_path, admin_token_file=operate, admin_view_token_file=view) as server,
        aiohttp.ClientSession() as session,
    ):
        url = f"http://{server.address}/rms/in/api/clickpost/notify?key=right-key-of-clickpost"
        async with session.post(url, data=BODY, headers={"Content-Type": "text/plain"}) as answer:
            assert answer.status == 200
        yield Rig(server, tmp_path / "data", operate, view)
    structlog.reset_defaults()


async def test_the_list_is_the_same_from_the_server_and_from_its_file(rig: Rig) -> None:
    asked = (await rig.run("inbox", "list", "--account", "acme/clickpost", "-o", "json")).json
    read = (await invoked("inbox", "list", "--data", str(rig.data), "-o", "json")).json
    assert asked == read
    (one,) = asked["bodies"]
    assert (one["account"], one["times"], one["bytes"]) == ("acme/clickpost", 1, len(BODY))
    assert one["contentType"] == "text/plain"
    assert "acme/clickpost" in (await rig.run("inbox", "list")).stdout
    assert (await rig.run("inbox", "list", "--client", "zen")).stderr == "no unrecognised bodies match\n"


async def test_show_writes_the_body_byte_for_byte(rig: Rig) -> None:
    for place in (("--admin", rig.server.admin_address, "--token-file", str(rig.operate)), ("--data", str(rig.data))):
        code, written = await _bytes("inbox", "show", await rig.id(), "--body", *place)
        assert (code, written) == (0, BODY)
    plain = await rig.run("inbox", "show", await rig.id())
    assert "7020" not in plain.stdout
    assert "acme/clickpost" in plain.stdout


async def _bytes(*arguments: str) -> tuple[int, bytes]:
    """As `support.command.invoked`, for output that is not text."""
    done = await asyncio.to_thread(CliRunner().invoke, cli, arguments)
    return done.exit_code, done.stdout_bytes


async def test_the_role_view_gets_no_body(rig: Rig) -> None:
    result = await rig.run("inbox", "show", await rig.id(), "--body", token=rig.view)
    assert result.exit_code == 2
    assert "the role view does not see bodies" in result.stderr
    assert "7020" not in result.stdout + result.stderr


async def test_a_retry_says_what_happened_to_each_and_fails_while_one_stays(rig: Rig) -> None:
    one = await rig.id()
    result = await rig.run("inbox", "retry", one)
    assert result.exit_code == 1
    assert f"{one}" in result.stdout
    assert "still unrecognised: nothing in it names a shipment" in result.stdout
    assert "1 entry could not be recognised" in result.stderr
    nothing = await rig.run("inbox", "retry", "--account", "zen/clickpost")
    assert (nothing.exit_code, nothing.stdout) == (0, "none of them is in the inbox\n")


@pytest.mark.parametrize("arguments", [(), ("--all", "--account", "a/b"), ("unr_" + "0" * 32, "--all")])
async def test_a_retry_wants_one_choice(arguments: tuple[str, ...]) -> None:
    result = await invoked("inbox", "retry", *arguments)
    assert result.exit_code == 2
    assert "name what to retry" in result.stderr


async def test_what_is_no_id_and_what_is_not_there_are_reported(rig: Rig) -> None:
    assert "not the id of an unrecognised body" in (await invoked("inbox", "show", "psh_1")).stderr
    missing = await rig.run("inbox", "show", f"unr_{'0' * 32}")
    assert (missing.exit_code, "not in the inbox of" in missing.stderr) == (1, True)


async def test_status_names_the_account_as_a_warning(rig: Rig) -> None:
    result = await rig.run("status", "-o", "json")
    (finding,) = [finding for finding in result.json["findings"] if finding["reason"] == "Unrecognised"]
    assert (finding["severity"], finding["name"]) == ("warning", "acme/clickpost")
    assert finding["message"] == "1 body names no shipment: trackpush inbox list --account acme/clickpost"
    assert json.loads(result.stdout)["ok"] is True
