"""`trackpush serve` starts, says where it listens, ends in order, and says in one line why it can't start."""

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from support import manifests
from support.manifests import Client
from support.server import running
from support.serving import table
from support.volume import Volume, written

pytestmark = pytest.mark.slow
ACME = Client(name="acme", url="http://127.0.0.1:1009/hook")


PROGRAM = (sys.executable, "-m", "trackpush_cli")
OLD_SQLITE = (
    sys.executable,
    "-c",
    "import apsw; apsw.sqlite_lib_version = lambda: '3.40.1'; from trackpush_cli.main import main; main()",
)
"""The program as it is where apsw is linked to the library of Debian 12."""


def serve(*arguments: str, program: Sequence[str] = PROGRAM) -> list[str]:
    return [*program, "serve", *arguments, "--admin-listen", "127.0.0.1:0"]


def refused(*arguments: str, program: Sequence[str] = PROGRAM) -> str:
    """What a start that must fail says on stderr."""
    result = subprocess.run(serve(*arguments, program=program), capture_output=True, text=True, timeout=30, check=False)
    assert result.returncode == 2, result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    return result.stderr


def listening(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    for line in process.stdout:
        entry = json.loads(line)
        if entry.get("event") == "listening":
            assert isinstance(entry, dict)
            return entry
    raise AssertionError(f"it ended with {process.wait()} before it listened")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_a_signal_and_ends_with_0(tmp_path: Path, number: signal.Signals) -> None:
    resources = manifests.write(tmp_path / "resources", [ACME])
    arguments = (str(resources), "--listen", "127.0.0.1:0", "--data", str(tmp_path / "data"), "--log-format", "json")
    with subprocess.Popen(serve(*arguments), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            address = listening(process)["address"]
            with urllib.request.urlopen(f"http://{address}/rms/in/api/clickpost/notify", timeout=5) as answer:
                assert answer.status == 200
            process.send_signal(number)
            rest, _ = process.communicate(timeout=20)
        finally:
            process.kill()
    assert process.returncode == 0, rest
    assert "Traceback" not in rest


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert str(tmp_path / "nowhere") in refused(str(tmp_path / "nowhere"), "--data", str(tmp_path / "data"))


def test_a_sqlite_library_that_loses_commits_is_refused_before_the_journal_is_made(tmp_path: Path) -> None:
    resources = manifests.write(tmp_path / "resources", [ACME])
    data = tmp_path / "data"
    said = refused(str(resources), "--listen", "127.0.0.1:0", "--data", str(data), program=OLD_SQLITE)
    assert "SQLite 3.40.1 can lose commits (the WAL-reset bug of 3.7.0 to 3.51.2)" in said
    assert "install apsw from its wheel" in said
    assert not data.exists()


def test_a_webhook_server_that_is_broken_is_named_with_file_and_line(tmp_path: Path) -> None:
    resources = manifests.write(tmp_path / "resources", [ACME])
    (resources / "resources.yaml").write_text("kind: WebhookServer\nmetadata: [\n")

    assert "resources.yaml:3: invalid YAML" in refused(
        str(resources), "--data", str(tmp_path / "data"), "--listen", "127.0.0.1:0"
    )


def test_a_broken_client_is_named_in_the_log_and_the_others_are_served(tmp_path: Path) -> None:
    resources = manifests.write(tmp_path / "resources", [ACME])
    (resources / "broken.yaml").write_text("kind: PushConfig\nmetadata: [\n")
    arguments = (str(resources), "--listen", "127.0.0.1:0", "--data", str(tmp_path / "data"), "--log-format", "json")
    with subprocess.Popen(serve(*arguments), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            assert process.stdout is not None
            events: dict[str, Any] = {}
            while "listening" not in events:
                entry = json.loads(process.stdout.readline())
                events[entry["event"]] = entry
        finally:
            process.kill()
    assert events["routing_table_loaded"]["accounts"] == 1
    assert events["routing_parts_refused"]["problems"][0].startswith("broken.yaml:3: invalid YAML")


@pytest.mark.parametrize("receivers", [0, 1])
def test_a_data_folder_that_cannot_be_used_ends_the_start_with_1_and_one_line(tmp_path: Path, receivers: int) -> None:
    resources = manifests.write(tmp_path / "resources", [ACME])
    (tmp_path / "data").write_text("a file")
    arguments = (str(resources), "--data", str(tmp_path / "data"), "--listen", "127.0.0.1:0", "--log-format", "json")
    result = subprocess.run(
        serve(*arguments, "--receivers", str(receivers)), capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 1, result.stderr
    (line,) = [line for line in result.stderr.splitlines() if not line.startswith("{")]
    assert line.startswith("Error: ")
    assert str(tmp_path / "data") in line


def test_an_address_in_use_is_named(tmp_path: Path) -> None:
    resources = manifests.write(tmp_path / "resources", [ACME])
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        said = refused(str(resources), "--data", str(tmp_path / "data"), "--listen", address)

    assert address in said


def test_several_servers_without_a_choice_are_named(tmp_path: Path) -> None:
    resources = manifests.write(tmp_path / "resources", [ACME])
    text = (resources / "resources.yaml").read_text().split("---\n")[0]
    (resources / "second.yaml").write_text(text.replace("name: main", "name: second"))

    said = refused(str(resources), "--data", str(tmp_path / "data"), "--listen", "127.0.0.1:0")

    assert "trackpush/main" in said
    assert "trackpush/second" in said
    assert "--server" in said


@pytest.mark.parametrize("arguments", [(), ("resources", "--shards", "routing")])
def test_resources_and_shards_are_two_ways_of_which_one_is_named(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    said = refused(*arguments, "--data", str(tmp_path / "data"))

    assert "give either a folder of resources (DIR) or a folder of shards (--shards DIR)" in " ".join(said.split())
    assert not (tmp_path / "data").exists()


def test_a_folder_of_shards_that_is_not_there_is_named(tmp_path: Path) -> None:
    said = refused("--shards", str(tmp_path / "nowhere"), "--data", str(tmp_path / "data"))

    assert str(tmp_path / "nowhere") in said


def test_a_token_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    resources = manifests.write(tmp_path / "resources", [ACME])
    token = str(tmp_path / "token")
    said = refused(str(resources), "--data", str(tmp_path / "data"), "--admin-token-file", token)

    assert f"--admin-token-file {token}: No such file or directory" in " ".join(said.split())


async def test_a_process_waits_for_its_shards_serves_them_and_ends_with_0_in_either_state(tmp_path: Path) -> None:
    volume = Volume(tmp_path / "routing")
    async with running(volume.root, tmp_path / "data", shards=True, ready=False) as server:
        assert "no routing table is loaded" in (await server.until_ready(ready=False)).text
        assert await server.terminate() == 0, server.tail()
        await server.start(ready=False)
        volume.swap(written(table()))
        await server.until_ready()
        assert '"settings":"settings-1"' in (await server.probe("/config")).text
        assert await server.terminate() == 0, server.tail()


@pytest.mark.parametrize("address", ["8080", "localhost", ":8080", "127.0.0.1:99999", "::1:8080"])
def test_an_address_that_is_none_is_refused(tmp_path: Path, address: str) -> None:
    said = refused(str(tmp_path), "--data", str(tmp_path), "--listen", address)

    assert "write 127.0.0.1:8080, 0.0.0.0:8080 or [::]:8080" in " ".join(said.split())
