"""With a token, the admin port tells its configuration only to who has it; health and metrics to everybody."""

from collections.abc import AsyncIterator
from io import StringIO
from pathlib import Path

import aiohttp
import pytest
from msgspec.structs import replace

from support.rows import every_row
from support.serving import HeldSource, serving, table
from trackpush_runtime.errors import CannotStartError
from trackpush_server import logs
from trackpush_server.admin.token import AdminToken
from trackpush_server.options import ServeOptions
from trackpush_server.server import Server

TOKEN = "t0k-en/+=of-the-test"


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n")
    return file


@pytest.fixture
async def server(tmp_path: Path, token_file: Path) -> AsyncIterator[Server]:
    async with serving(tmp_path, admin_token_file=token_file) as one:
        yield one


def put(file: Path, content: str | None) -> None:
    """None: no file."""
    if content is None:
        file.unlink(missing_ok=True)
    else:
        file.write_text(content)


async def get(server: Server, path: str, authorization: str | None = None) -> aiohttp.ClientResponse:
    headers = {} if authorization is None else {"Authorization": authorization}
    async with aiohttp.ClientSession() as session:
        async with session.get(f"http://{server.admin_address}{path}", headers=headers) as answer:
            await answer.read()
        return answer


@every_row("path", ["/livez", "/readyz", "/metrics"])
async def test_kubelet_and_prometheus_need_no_token(server: Server, path: str) -> None:
    assert (await get(server, path)).status == 200


@every_row("path", ["/config", "/undelivered"])
@every_row("value", [f"Bearer {TOKEN}", f"bearer  {TOKEN}"])
async def test_the_token_opens_the_rest(server: Server, path: str, value: str) -> None:
    assert (await get(server, path, value)).status == 200


@pytest.mark.parametrize("path", ["/config", "/undelivered", "/nowhere", "/livez/", "//livez", "/livez/../config"])
@every_row("value", [None, "", "Bearer", "Bearer ", "Bearer wrong", TOKEN, f"Basic {TOKEN}", "Bearer ü"])
async def test_without_the_right_token_nothing_else_is_shown(server: Server, path: str, value: str | None) -> None:
    answer = await get(server, path, value)

    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.content_type == "application/problem+json"
    assert TOKEN not in await answer.text()


async def test_a_changed_token_is_valid_at_once_and_the_old_one_no_more(server: Server, token_file: Path) -> None:
    put(token_file, "another-token-of-the-test")

    assert (await get(server, "/config", "Bearer another-token-of-the-test")).status == 200
    assert (await get(server, "/config", f"Bearer {TOKEN}")).status == 401


@pytest.mark.parametrize("content", ["", None, "short"])
async def test_a_token_file_that_becomes_empty_or_vanishes_changes_nothing_and_is_logged_once(
    tmp_path: Path, token_file: Path, content: str | None
) -> None:
    stream = StringIO()
    logs.configure("json", stream)
    async with serving(tmp_path, admin_token_file=token_file) as server:
        put(token_file, content)
        for _ in range(2):
            assert (await get(server, "/config", f"Bearer {TOKEN}")).status == 200
            assert (await get(server, "/config", "Bearer ")).status == 401
    assert stream.getvalue().count("admin_token_refused") == 1
    assert TOKEN not in stream.getvalue()


@pytest.mark.parametrize("content", [None, "", " \n", "fifteen-letters"])
def test_a_missing_or_empty_token_file_refuses_to_start_and_is_named(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "token"
    put(file, content)

    with pytest.raises(
        CannotStartError, match=f"--admin-token-file {file}: .*; write a token of 16 or more characters"
    ):
        AdminToken(file)


async def test_without_a_token_only_this_machine_may_reach_the_admin_port(tmp_path: Path, token_file: Path) -> None:
    options = ServeOptions(
        folder=tmp_path, listen=("127.0.0.1", 0), admin_listen=("0.0.0.0", 0), data=tmp_path / "data", drain_grace=0.1
    )
    with pytest.raises(CannotStartError, match="--admin-token-file"):
        await Server(options, source=HeldSource(table())).start()
    assert not (tmp_path / "data").exists()

    server = Server(replace(options, admin_token_file=token_file), source=HeldSource(table()))
    await server.start()
    await server.stop()
