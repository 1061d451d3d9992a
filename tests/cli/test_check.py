"""`check` of a folder, of one file and of standard input; and no command's help shows a control character."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from support.command import invoked, trackpush
from trackpush_cli.main import COMMANDS, cli

BROKEN = "apiVersion: trackpush.dev/v1alpha1\nkind: PushConfig\nmetadata: {name: oms, namespace: acme}\nspec: {ulr: https://x}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "resources" / "clients").mkdir(parents=True)
    (tmp_path / "resources" / "clients" / "acme.yaml").write_text(BROKEN)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "resources"


async def test_paths_are_relative_to_the_current_directory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    below = (await invoked("check", "resources")).stdout
    absolute = (await invoked("check", str(folder))).stdout
    one = await invoked("check", "resources/clients/acme.yaml")
    monkeypatch.chdir(folder)
    here = (await invoked("check", ".")).stdout

    problem = "clients/acme.yaml:4: PushConfig acme/oms"
    assert f"\nresources/{problem}" in below
    assert f"\n{folder}/{problem}" in absolute
    assert f"\n{problem}" in here
    assert (one.exit_code, f"\nresources/{problem}" in one.stdout) == (1, True)


async def test_standard_input_is_checked_like_a_file() -> None:
    made = await trackpush(
        "init", "acme", "--url", "https://acme.example/", "--aggregator", "clickpost", "--host", "hooks.example.com"
    )
    good = await trackpush("check", "-", stdin=made.stdout)
    bad = await trackpush("check", "-", stdin=BROKEN)

    assert (good.exit_code, good.stdout.splitlines()[-1]) == (0, "0 errors, 0 warnings")
    assert (bad.exit_code, "standard input:4: PushConfig acme/oms" in bad.stdout) == (1, True)


async def test_a_file_that_is_no_text_or_missing_is_explained(tmp_path: Path) -> None:
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    binary = await invoked("check", str(tmp_path / "binary.yaml"))
    missing = await invoked("check", str(tmp_path / "nothing.yaml"))
    assert (binary.exit_code, "is not text in UTF-8" in binary.stdout) == (1, True)
    assert missing.exit_code == 2


def test_no_help_shows_a_control_character() -> None:
    for name in COMMANDS:
        text = CliRunner().invoke(cli, [name, "--help"]).output
        assert "\b" not in text, name
        assert "\\b" not in text, name
