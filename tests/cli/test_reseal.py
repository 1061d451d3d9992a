"""`trackpush reseal`, and `pushes show` of a push whose body is encrypted."""

import asyncio
import base64
import os
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from cli.test_pushes import IDS, UPDATES
from cli.test_replay_erase import trackpush
from support.serving import HeldSource, serving, table
from trackpush_api.routing import Encryption
from trackpush_cli.main import cli
from trackpush_server.journal.sealing import Sealer, key_id
from trackpush_server.journal.sqlite import SqliteJournal

KEY, OTHER = b"k" * 32, b"x" * 32


async def _fill(folder: Path) -> None:
    journal = SqliteJournal(folder, sealer=Sealer(os.urandom, Encryption(keys=(KEY,))))
    await journal.start()
    await journal.updates.append(UPDATES)
    await journal.close()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("journal")
    asyncio.run(_fill(folder))
    return folder


def key_file(folder: Path, *keys: bytes) -> Path:
    path = folder / "journal-keys"
    path.write_text("".join(f"{base64.b64encode(key).decode()}\n" for key in keys))
    return path


def show(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["pushes", "show", IDS[0], *arguments])


def test_a_body_is_shown_with_the_key_that_sealed_it(data: Path, tmp_path: Path) -> None:
    result = show("--data", str(data), "--body", "--encryption-key-file", str(key_file(tmp_path, OTHER, KEY)))
    assert result.exit_code == 0, result.output
    assert "Mumbai" in result.stdout


def test_without_the_key_a_push_is_shown_without_what_its_body_says(data: Path) -> None:
    result = show("--data", str(data))
    assert result.exit_code == 0, result.output
    assert "give --encryption-key-file" in result.stdout
    assert "OUT_FOR_DELIVERY" not in result.stdout
    assert show("--data", str(data), "-o", "json").exit_code == 0


def test_a_body_without_its_key_is_refused_by_the_keys_id(data: Path, tmp_path: Path) -> None:
    for keys in ((), ("--encryption-key-file", str(key_file(tmp_path, OTHER)))):
        result = show("--data", str(data), "--body", *keys)
        assert result.exit_code == 2
        assert f"sealed with key {key_id(KEY).hex()}" in result.output
        assert "give it with --encryption-key-file" in result.output


def test_a_key_file_that_holds_none_is_reported_by_its_line(data: Path, tmp_path: Path) -> None:
    path = key_file(tmp_path, KEY)
    path.write_text(f"{path.read_text()}nonsense\n")
    result = show("--data", str(data), "--encryption-key-file", str(path))
    assert result.exit_code == 2
    assert f"{path}:2: has" in result.output
    assert "nonsense" not in result.output


@pytest.mark.parametrize(
    ("keys", "code", "told"),
    [
        (
            (OTHER, KEY),
            0,
            "3 of 3 updates were encrypted again; the replaced bodies are no longer in the journal's files",
        ),
        ((OTHER,), 1, f"3 updates were not changed: its body is sealed with key {key_id(KEY).hex()}"),
    ],
)
async def test_reseal_says_what_was_stored_again_and_which_key_is_missing(
    tmp_path: Path, keys: tuple[bytes, ...], code: int, told: str
) -> None:
    await _fill(tmp_path / "data")
    given = table()
    settings = msgspec.structs.replace(given.server, encryption=Encryption(keys=keys))
    source = HeldSource(msgspec.structs.replace(given, server=settings))
    async with serving(tmp_path, source=source) as server:
        result = await trackpush("reseal", "--admin", server.admin_address)
        assert (result.exit_code, told in result.stdout + result.stderr) == (code, True), result
