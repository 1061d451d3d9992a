"""A terminal obeys no control character in text from bodies, clients, servers and files, whatever command prints it."""

import asyncio
import contextlib
import io
import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest
import structlog
import yaml
from aiohttp import web
from yarl import URL

from support.command import Result, invoked
from support.serving import account, serving, table
from support.sink import Arrival, open_sink
from trackpush_api.printable import is_shown
from trackpush_api.routing import Destination, Retry
from trackpush_api.vocabulary import Aggregator
from trackpush_operator import logs as operator_logs
from trackpush_server import logs
from trackpush_server.server import Server

HOSTILE = "\x1b[31mRED\x1b]0;pwned\x07\x9b32m\u202egnp\u200b\u2028\x85\x7f\U000e0041\n\rforged"
SHOWN = r"\x1b[31mRED\x1b]0;pwned\x07\x9b32m\u202egnp\u200b\u2028\x85\x7f\U000e0041\n\rforged"
TOKEN = "a-token-of-the-test"
FORMS = ("table", "json", "yaml")
UNRECOGNISED = b'{"data": {"waybill": "7020"},\n "note": "caf\xc3\xa9 \xff \xc2\x9b31m\xe2\x80\xae"}'
"""Names no shipment."""
_READ_BY_THE_COMMANDS = re.compile(r"since|id|kind|state|result|.*At|at|cursor|bodyBase64|severity")
"""Members of the admin API's answers whose form the commands rely on; no text of a stranger is in them."""


def body(awb: str) -> bytes:
    """A body with hostile text wherever an aggregator may write."""
    content = {
        "waybill": awb,
        "clickpost_status_code": 8,
        "clickpost_status_description": f"label {HOSTILE}",
        "account_code": f"courier {HOSTILE}",
        "order_id": f"order {HOSTILE}",
        "remark": f"remark {HOSTILE}",
        f"name {HOSTILE}": f"value {HOSTILE}",
    }
    return json.dumps(content).encode()


class Rig(NamedTuple):
    """A server that got hostile bodies, and a client that answers 500 with hostile text."""

    server: Server
    session: aiohttp.ClientSession
    data: Path
    token: Path

    async def run(self, *arguments: str, address: str | None = None) -> Result:
        """A command that asks the server."""
        return await invoked(
            *arguments, "--admin", address or self.server.admin_address, "--token-file", str(self.token)
        )

    async def post(self, content: bytes) -> None:
        """What Clickpost posts."""
        url = f"http://{self.server.address}/rms/in/api/clickpost/notify?key=k"
        async with self.session.post(url, data=content) as answer:
            assert answer.status == 200


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async def refuse(_: Arrival) -> web.Response:
        return web.Response(status=500, text=f"no: {HOSTILE}")

    token = tmp_path / "token"
    token.write_text(TOKEN)
    logs.configure("json", io.StringIO())
    async with open_sink(refuse) as sink, aiohttp.ClientSession() as session:
        given = table(
            account(Aggregator.CLICKPOST, "k"),
            destinations=[Destination(name="acme/push", url=sink.url, retry=Retry(schedule=(60.0,)))],
        )
        async with serving(tmp_path, given, admin_token_file=token) as server:
            made = Rig(server, session, tmp_path / "data", token)
            await made.post(body(f"1{HOSTILE}"))
            await made.post(UNRECOGNISED)
            async with asyncio.timeout(60):
                while not (await made.run("pushes", "list", "-o", "json")).json["pushes"][0]["tries"]:
                    pass
            yield made
    structlog.reset_defaults()


def assert_harmless(result: Result) -> None:
    """Nothing in it is hidden or obeyed, and no line is broken by what it quotes."""
    for line in (result.stdout + result.stderr).split("\n"):
        assert is_shown(line), repr(line)
        assert not line.lstrip("\r").startswith("forged"), "a line break of the text is one on the terminal"


def loaded(result: Result, form: str) -> Any:
    return json.loads(result.stdout) if form == "json" else yaml.safe_load(result.stdout)


@contextlib.asynccontextmanager
async def spoiling(upstream: str) -> AsyncIterator[str]:
    """An admin port that passes on what the server answers, with hostile text at the end of every other text."""

    async def handle(request: web.BaseRequest) -> web.Response:
        content = await request.read()
        async with (
            aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}) as session,
            session.request(
                request.method,
                URL(f"http://{upstream}{request.raw_path}", encoded=True),
                data=content,
                headers={"Content-Type": "application/json"},
            ) as answer,
        ):
            spoilt = _spoilt(await answer.json(content_type=None))
            return web.json_response(spoilt, status=answer.status)

    runner = web.ServerRunner(web.Server(handle, access_log=None))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def _spoilt(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        # Keys with a slash are names of resources.
        return {key + HOSTILE * ("/" in key): _spoilt(member, key) for key, member in value.items()}
    if isinstance(value, list):
        return [_spoilt(each, name) for each in value]
    return value + HOSTILE if isinstance(value, str) and not _READ_BY_THE_COMMANDS.fullmatch(name) else value


async def ids(rig: Rig) -> tuple[str, str]:
    (push,) = (await rig.run("pushes", "list", "-o", "json")).json["pushes"]
    (unrecognised,) = (await rig.run("inbox", "list", "-o", "json")).json["bodies"]
    return push["id"], unrecognised["id"]


async def test_commands_print_hostile_texts_of_bodies_and_clients_escaped(rig: Rig) -> None:
    push, unrecognised = await ids(rig)
    for form in FORMS:
        for arguments, text in (
            (("pushes", "list"), "\\u202egnp"),
            (("pushes", "show", push, "--body"), "remark"),
            (("shipment", f"1{HOSTILE}"), "HTTP 500"),
            (("inbox", "list"), "acme/clickpost"),
            (("inbox", "show", unrecognised), "acme/clickpost"),
        ):
            result = await rig.run(*arguments, "-o", form)
            assert result.exit_code == 0, result
            assert_harmless(result)
            assert text in result.stdout
            if arguments[0] == "pushes":
                offline = await invoked(*arguments, "--data", str(rig.data), "-o", form)
                assert_harmless(offline)
                assert text in offline.stdout


async def test_json_and_yaml_keep_the_value_of_a_hostile_body(rig: Rig) -> None:
    push, _ = await ids(rig)
    for form in ("json", "yaml"):
        shown = loaded(await rig.run("pushes", "show", push, "--body", "-o", form), form)
        assert shown["body"][f"name {HOSTILE}"] == f"value {HOSTILE}"
        assert shown["facts"]["aggregatorLabel"] == f"label {HOSTILE}"
    (found,) = (await rig.run("pushes", "list", "-o", "json", "--awb", f"1{HOSTILE}")).json["pushes"]
    assert found["awb"] == f"1{HOSTILE}"


async def test_commands_print_whatever_a_server_says_escaped(rig: Rig) -> None:
    push, unrecognised = await ids(rig)
    await rig.run("erase", "--awb", "nothing", "--reason", "of the test")
    async with spoiling(rig.server.admin_address) as address:
        for form in FORMS:
            for arguments in (
                ("pushes", "list"),
                ("pushes", "show", push, "--body"),
                ("shipment", f"1{HOSTILE}"),
                ("status",),
                ("replay", "--client", "acme", "--dry-run"),
                ("erase", "--list"),
                ("inbox", "list"),
                ("inbox", "show", unrecognised),
                ("inbox", "retry", unrecognised),
            ):
                result = await rig.run(*arguments, "-o", form, address=address)
                assert_harmless(result)
                assert "pwned" in result.stdout, arguments
                if form != "table":
                    assert any(HOSTILE in text for text in _texts(loaded(result, form))), arguments


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, member in value.items():
            yield key
            yield from _texts(member)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, str):
        yield value


@pytest.mark.parametrize("form", FORMS)
async def test_the_live_tail_prints_hostile_texts_escaped(rig: Rig, form: str) -> None:
    stop = asyncio.Event()

    async def post_until_seen() -> None:
        number = 2
        while not stop.is_set():
            await rig.post(body(f"{number}{HOSTILE}"))
            number += 1

    poster = asyncio.create_task(post_until_seen())
    result = await rig.run("pushes", "tail", "--count", "2", "-o", form)
    stop.set()
    await poster
    assert_harmless(result)
    assert "pwned" in result.stdout
    if form == "json":
        assert all(any(HOSTILE in text for text in _texts(json.loads(line))) for line in result.stdout.splitlines())


@contextlib.asynccontextmanager
async def answering(status: int, content: bytes, **headers: str) -> AsyncIterator[str]:
    """A server that gives every request this answer; ``host:port``."""

    async def handle(request: web.BaseRequest) -> web.Response:
        await request.read()
        return web.Response(status=status, body=content, headers=headers)

    runner = web.ServerRunner(web.Server(handle, access_log=None))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("status", "content"),
    [
        (200, json.dumps({"said": HOSTILE}).encode()),
        (400, json.dumps({"detail": HOSTILE}, ensure_ascii=False).encode()),
        (502, HOSTILE.encode()),
        (500, b"\x1b]0;pwned\x07\xff\x9b"),
    ],
)
async def test_answers_and_errors_of_a_server_are_printed_escaped(status: int, content: bytes) -> None:
    async with answering(status, content) as address:
        sent = await invoked("send", "--url", f"http://{address}", "--aggregator", "clickpost", "--key", "k")
        asked = [
            await invoked(*arguments, "--admin", address)
            for arguments in (("pushes", "list"), ("status",), ("reseal",), ("erase", "--list"))
            if status != 200
        ]
    assert "pwned" in sent.stdout
    for result in (sent, *asked):
        assert_harmless(result)
    if status == 400:
        assert SHOWN in asked[0].stderr


async def test_a_server_that_speaks_no_http_is_quoted_escaped() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"\x1b]0;pwned\x07 \x9b31m\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        result = await invoked("pushes", "list", "--admin", f"127.0.0.1:{port}")
    assert result.exit_code == 2
    assert_harmless(result)


RESOURCES = """
apiVersion: trackpush.dev/v1alpha1
kind: WebhookServer
metadata: {name: main, namespace: trackpush}
spec:
  hosts: [{host: "x.example", aggregators: [Clickpost]}]
  "field%(hostile)s": 1
---
apiVersion: trackpush.dev/v1alpha1
kind: PushConfig
metadata: {name: "a%(hostile)s", namespace: acme}
spec: {url: "https://%(hostile)s/", headers: [{name: "X-%(hostile)s", value: "%(hostile)s"}]}
---
apiVersion: trackpush.dev/v1alpha1
kind: "Kind%(hostile)s"
metadata: {name: b, namespace: acme}
"""


@pytest.mark.parametrize("form", ["text", "json"])
async def test_check_and_doctor_print_what_a_file_says_escaped(tmp_path: Path, form: str) -> None:
    hostile = r"\x1b[31m\x1b]0;pwned\x07\x9b\u202e\u200b\nforged"
    name = "file\x1b[31m\u202e.yaml"
    (tmp_path / name).write_text(RESOURCES % {"hostile": hostile})
    checked = await invoked("check", str(tmp_path), "-o", form)
    assert checked.exit_code == 1
    assert_harmless(checked)
    assert "pwned" in checked.stdout
    assert r"\x1b[31m\u202e.yaml" in checked.stdout or r"\u001b[31m\u202e.yaml" in checked.stdout
    for output in FORMS:
        assert_harmless(await invoked("doctor", str(tmp_path), "-o", output))


def run_in_terminal(*arguments: str) -> str:
    """Run `trackpush` with standard output and standard error on a pseudo-terminal."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "200", "PYTHONIOENCODING": "utf-8"}
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, ours)
        process = subprocess.Popen(
            [sys.executable, "-m", "trackpush_cli", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
            env=environment,
        )
        os.close(theirs)
        shown = bytearray()
        with contextlib.suppress(OSError):  # Linux: EIO is the end of a terminal
            while chunk := os.read(ours, 65536):
                shown += chunk
        process.wait(60)
    return shown.decode()


_OURS = re.compile(r"\x1b\[(?:0|1)m")
"""The head of a table is bold."""


async def test_a_terminal_gets_our_own_styles_and_none_of_a_bodys(rig: Rig) -> None:
    push, unrecognised = await ids(rig)
    data = ("--data", str(rig.data))
    for arguments, has_style in (
        (("pushes", "list", *data), True),
        (("pushes", "show", push, "--body", *data), True),
        (("pushes", "show", push, "-o", "yaml", "--body", *data), False),
        (("pushes", "list", "-o", "json", *data), False),
        (("inbox", "list", *data), True),
        (("inbox", "show", unrecognised, "--body", *data), False),
        (("check", f"/nowhere/{HOSTILE}"), False),
    ):
        shown = await asyncio.to_thread(run_in_terminal, *arguments)
        assert bool(_OURS.search(shown)) is has_style, arguments
        for line in _OURS.sub("", shown).split("\r\n"):
            assert is_shown(line), (arguments, line)


async def test_a_body_is_written_byte_for_byte_to_a_file_and_escaped_to_a_terminal(rig: Rig, tmp_path: Path) -> None:
    _, unrecognised = await ids(rig)
    command = ("inbox", "show", unrecognised, "--body", "--data", str(rig.data))
    with (tmp_path / "body").open("wb") as file:
        program = [sys.executable, "-m", "trackpush_cli", *command]
        await asyncio.to_thread(subprocess.run, program, stdout=file, check=True, timeout=60)
    assert (tmp_path / "body").read_bytes() == UNRECOGNISED
    shown = await asyncio.to_thread(run_in_terminal, *command)
    assert r'"note": "café \xff \x9b31m\u202e"' in shown
    assert "\n" in shown, "its own line breaks are kept"


@pytest.mark.parametrize("configure", [logs.configure, operator_logs.configure])
def test_a_log_that_people_read_is_escaped(configure: Callable[[str, io.StringIO], None]) -> None:
    written = io.StringIO()
    configure("console", written)
    structlog.get_logger().warning("of\x1b[31m\n the test", text=HOSTILE, bare="\x1b[31m\u202e", texts=[HOSTILE])
    structlog.reset_defaults()
    (line,) = written.getvalue().removesuffix("\n").split("\n")
    assert is_shown(line)
    assert SHOWN in line


def test_what_was_typed_is_escaped_and_usage_keeps_its_lines() -> None:
    program = [sys.executable, "-m", "trackpush_cli", "pushes", "list", "\x1b]0;pwned\x07"]
    done = subprocess.run(program, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert all(map(is_shown, done.stderr.split("\n")))
    assert done.stderr.startswith("Usage: ")
    assert "\nError: " in done.stderr


def test_a_terminal_whose_encoding_lacks_a_letter_ends_no_command(tmp_path: Path) -> None:
    program = [sys.executable, "-m", "trackpush_cli", "check", str(tmp_path / "मुंबई")]
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    done = subprocess.run(program, capture_output=True, timeout=60, check=False, env=environment)
    assert done.returncode == 2
    assert rb"\u092e" in done.stderr
