"""Nobody who reaches the admin port can hold it, guess at its token quickly, or end other people's sessions."""

import asyncio
import contextlib
import json
from collections import Counter
from io import StringIO
from pathlib import Path

import aiohttp
import pytest
import structlog

from receiver.raw import connect
from support.serving import serving
from trackpush_server import logs
from trackpush_server.admin import connections, guesses, sessions
from trackpush_server.admin.console.oidc import _groups
from trackpush_server.admin.sessions import Sessions
from trackpush_server.server import Server
from trackpush_server.telemetry import tail
from trackpush_server.telemetry.tail import Tail, TooManyWatchersError

OPERATE, VIEW = "token-that-may-operate", "token-that-may-view"
LIVEZ = b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@pytest.fixture
def tokens(tmp_path: Path) -> tuple[Path, Path]:
    operate, view = tmp_path / "operate", tmp_path / "view"
    operate.write_text(OPERATE)
    view.write_text(VIEW)
    return operate, view


async def log_in(session: aiohttp.ClientSession, server: Server, token: str) -> int:
    """The status of the page after the log-in form."""
    form = {"token": token, "next": "/console/"}
    async with session.post(f"http://{server.admin_address}/console/login", data=form) as answer:
        return answer.status


async def console(session: aiohttp.ClientSession, server: Server) -> int:
    url = f"http://{server.admin_address}/console/"
    async with session.get(url, allow_redirects=False) as answer:
        return answer.status


def browser() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True), timeout=aiohttp.ClientTimeout(total=20))


async def test_a_changed_token_ends_the_sessions_of_the_old_one_at_the_next_request(
    tmp_path: Path, tokens: tuple[Path, Path]
) -> None:
    operate, view = tokens
    async with serving(tmp_path, admin_token_file=operate, admin_view_token_file=view) as server, browser() as session:
        assert await log_in(session, server, OPERATE) == 200
        assert await console(session, server) == 200
        operate.write_text("another-token-that-may-operate")
        assert await console(session, server) == 303


async def test_a_live_tail_ends_when_the_token_changes(
    tmp_path: Path, tokens: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trackpush_server.admin.api.live.HEARTBEAT_SECONDS", 0.05)
    operate, _ = tokens
    async with serving(tmp_path, admin_token_file=operate) as server, browser() as session:
        url = f"http://{server.admin_address}/api/v1/tail"
        async with session.get(url, headers={"Authorization": f"Bearer {OPERATE}"}) as answer:
            assert await answer.content.readline() == b": watching\n"
            operate.write_text("another-token-that-may-operate")
            async with asyncio.timeout(10):
                await answer.content.read()


@pytest.mark.parametrize("sent", [b"", LIVEZ[:20]])
async def test_a_head_that_does_not_come_ends_its_connection(
    tmp_path: Path, sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.2)
    async with serving(tmp_path) as server, connect(server.admin_address) as raw:
        await raw.send(sent)
        assert await raw.rest() == b""


async def test_a_head_that_does_not_come_ends_a_used_connection_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.2)
    async with serving(tmp_path) as server, connect(server.admin_address) as raw:
        await raw.send(LIVEZ)
        assert (await raw.head()).startswith(b"HTTP/1.1 200 ")
        await raw.reader.readline()
        await raw.send(LIVEZ[:20])
        assert await raw.rest() == b""


async def test_a_body_that_does_not_come_is_408(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "BODY_SECONDS", 0.2)
    async with serving(tmp_path) as server, connect(server.admin_address) as raw:
        await raw.send(b"POST /console/login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\ntoken=")
        assert (await raw.head()).startswith(b"HTTP/1.1 408 ")


async def test_idle_connections_make_room_for_probes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 10)
    async with serving(tmp_path) as server, contextlib.AsyncExitStack() as stack:
        held = [await stack.enter_async_context(connect(server.admin_address)) for _ in range(10)]
        for raw in held:
            await raw.send(LIVEZ)
            assert (await raw.head()).startswith(b"HTTP/1.1 200 ")
            await raw.reader.readline()
        await held[0].send(LIVEZ)  # the second one is idle the longest now
        assert (await held[0].head()).startswith(b"HTTP/1.1 200 ")
        probe = await stack.enter_async_context(connect(server.admin_address))
        await probe.send(LIVEZ)
        assert (await probe.head()).startswith(b"HTTP/1.1 200 ")
        assert await held[1].rest() == b""
        await held[9].send(LIVEZ)
        assert (await held[9].head()).startswith(b"HTTP/1.1 200 ")
        assert len(server._admin._connections) == 10


async def test_wrong_tokens_wait_are_counted_and_write_few_lines(
    tmp_path: Path, tokens: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guesses, "SECONDS", 0.05)
    log = StringIO()
    logs.configure("json", log)
    try:
        async with serving(tmp_path, admin_token_file=tokens[0]) as server, browser() as session:
            url = f"http://{server.admin_address}"

            async def guess(number: int) -> int:
                headers = {"Authorization": f"Bearer guess-{number}"}
                async with session.get(f"{url}/config", headers=headers) as answer:
                    return answer.status

            statuses = Counter(await asyncio.gather(*[guess(number) for number in range(60)]))
            right = asyncio.create_task(guess(0))  # a wrong one waits while the right one does not
            async with session.get(f"{url}/config", headers={"Authorization": f"Bearer {OPERATE}"}) as answer:
                assert answer.status == 200
            await right
            async with session.get(f"{url}/metrics") as answer:
                metrics = await answer.text()
    finally:
        structlog.reset_defaults()
    lines = Counter(json.loads(line)["event"] for line in log.getvalue().splitlines())

    assert statuses.keys() == {401, 429}
    assert statuses[401] < 60
    assert "trackpush_admin_wrong_tokens_total 61.0" in metrics
    assert 1 <= lines["login_refused"] <= 12


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"Content-Type": "application/x-www-form-urlencoded; charset=foo"}, b"token=a"),
        ({"Content-Type": "application/x-www-form-urlencoded", "Content-Encoding": "gzip"}, b"token=a"),
        ({"Content-Type": "application/x-www-form-urlencoded; charset=utf-16"}, b"token=a"),
        ({"Content-Type": "application/x-www-form-urlencoded; charset=base64"}, b"token=a"),
    ],
    ids=["charset", "no-gzip", "utf-16", "no-text-encoding"],
)
async def test_a_log_in_form_that_cannot_be_read_is_400(
    tmp_path: Path, tokens: tuple[Path, Path], headers: dict[str, str], body: bytes
) -> None:
    async with (
        serving(tmp_path, admin_token_file=tokens[0]) as server,
        browser() as session,
        session.post(f"http://{server.admin_address}/console/login", data=body, headers=headers) as answer,
    ):
        assert answer.status == 400


async def test_answers_do_not_say_which_software_gives_them(tmp_path: Path, tokens: tuple[Path, Path]) -> None:
    async with serving(tmp_path, admin_token_file=tokens[0]) as server, browser() as session:
        for path in ("/livez", "/config", "/console/login", "/api/v1/pushes", "/nowhere"):
            async with session.get(f"http://{server.admin_address}{path}") as answer:
                assert "Server" not in answer.headers


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"rubbish\r\n\r\n", b"400"),
        (b"GET /livez HTTP/1.1\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", b"400"),
        (b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", b"400"),
        (b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", b""),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", b"400"),
        (b"CONNECT \r\n\r\n", b"400"),
        (b"CONNECT  HTTP/1.1\r\nHost: a\r\n\r\n", b"400"),
        (b"GET /livez\r\n\r\n", b"400"),
        (b"GET /livez HTTP/0.9\r\nHost: a\r\n\r\n", b"400"),
        (b"GET /config HTTP/1.1\r\nHost: [::1\r\n\r\n", b""),
    ],
    ids=[
        "no-http",
        "no-host",
        "no-colon",
        "long",
        "asterisk",
        "length",
        "connect",
        "no-target",
        "no-version",
        "http-0.9",
        "bracket",
    ],
)
async def test_what_is_not_http_gets_no_server_header_no_traceback_and_is_not_a_fault_of_the_server(
    tmp_path: Path, tokens: tuple[Path, Path], capsys: pytest.CaptureFixture[str], request_: bytes, status: bytes
) -> None:
    async with serving(tmp_path, admin_token_file=tokens[0]) as server:
        host, _, port = server.admin_address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(request_)
        try:
            head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)).lower()
        finally:
            writer.close()
    assert head.startswith(b"http/1.")
    assert head.split()[1].startswith(status)
    assert not head.split()[1].startswith(b"5")
    assert b"\r\nserver:" not in head
    assert "Traceback" not in "".join(capsys.readouterr())


@pytest.mark.parametrize("host", [b"[::1", b"a:b:c"])
async def test_a_host_that_cannot_be_read_is_not_local(tmp_path: Path, host: bytes) -> None:
    async with serving(tmp_path) as server, connect(server.admin_address) as raw:
        await raw.send(b"GET /config HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")
        assert (await raw.head()).startswith(b"HTTP/1.1 403 ")


async def test_a_body_that_is_not_in_its_content_coding_is_400(tmp_path: Path) -> None:
    async with serving(tmp_path) as server, connect(server.admin_address) as raw:
        head = b"POST /api/v1/replays HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        await raw.send(head + b"Content-Encoding: deflate\r\nContent-Length: 2\r\n\r\n{}")
        assert (await raw.head()).split()[1] == b"400"


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (LIVEZ, b"HTTP/1.1 200 "),
        (b"POST /console/login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 20\r\n\r\ntoken=", b"HTTP/1.1 400 "),
        (LIVEZ[:20], b""),
        (b"", b""),
    ],
    ids=["whole", "half-a-body", "half-a-head", "nothing"],
)
async def test_a_half_closed_connection_gets_its_answer_and_ends(
    tmp_path: Path, request_: bytes, answer: bytes
) -> None:
    async with serving(tmp_path) as server, connect(server.admin_address) as raw:
        await raw.send(request_)
        raw.writer.write_eof()
        found = await raw.rest()
        assert found.startswith(answer)
        assert bool(found) is bool(answer)


async def test_a_half_closed_live_tail_ends(tmp_path: Path) -> None:
    async with serving(tmp_path) as server, connect(server.admin_address) as raw:
        await raw.send(b"GET /api/v1/tail HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        await raw.head()
        raw.writer.write_eof()
        assert b"watching" in await raw.rest()


def test_the_role_view_ends_no_session_of_the_role_operate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "MOST_OF_A_ROLE", 5)
    monkeypatch.setattr(sessions, "MOST_OF_AN_ACTOR", 3)
    kept = Sessions()
    operator = kept.begin("olga", "operate")
    many = [kept.begin(f"viewer {number}", "view") for number in range(20)]
    of_one = [kept.begin("viewer 19", "view") for _ in range(5)]

    assert kept.find(operator) is not None
    assert sum(kept.find(cookie) is not None for cookie in (*many, *of_one)) <= 5
    assert [kept.find(cookie) is not None for cookie in of_one] == [False, False, True, True, True]


def test_the_role_view_leaves_live_tails_to_the_role_operate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "MOST_OF_A_ROLE", 4)
    monkeypatch.setattr(tail, "MOST_OF_AN_ACTOR", 3)
    watched = Tail()
    with contextlib.ExitStack() as stack:
        for actor in ("a", "a", "a", "b"):
            stack.enter_context(watched.watching(lambda _: True, actor=actor, role="view"))
        with pytest.raises(TooManyWatchersError, match="a already has 3 live tails open"):
            stack.enter_context(watched.watching(lambda _: True, actor="a", role="view"))
        with pytest.raises(TooManyWatchersError, match="people with the role view have"):
            stack.enter_context(watched.watching(lambda _: True, actor="c", role="view"))
        stack.enter_context(watched.watching(lambda _: True, actor="olga", role="operate"))


@pytest.mark.parametrize(
    ("claim", "groups"),
    [(None, set()), (7, set()), ("ops", {"ops"}), (["ops", None, 3], {"ops"}), ({"ops": True}, set()), (True, set())],
)
def test_a_groups_claim_of_any_kind_is_read(claim: object, groups: set[str]) -> None:
    assert _groups(claim) == groups
