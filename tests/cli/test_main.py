"""The entry point: fast, lazy, and errors are one line with the right exit code."""

import subprocess
import sys
from importlib.metadata import version

import apsw
import pytest
from click.testing import CliRunner

from trackpush_cli.main import COMMANDS, cli, run


def trackpush(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "trackpush_cli", *arguments], capture_output=True, text=True, timeout=30, check=False
    )


def test_the_version_is_the_distributions_with_that_of_its_sqlite_library() -> None:
    result = trackpush("--version")

    sqlite = f"SQLite {apsw.sqlite_lib_version()} (apsw {apsw.apsw_version()})"
    assert (result.returncode, result.stdout) == (0, f"trackpush {version('trackpush')}\n{sqlite}\n")


def test_the_help_lists_every_subcommand_without_importing_one() -> None:
    program = (
        "import sys; from trackpush_cli.main import run; run(['--help']);"
        "heavy = {'aiohttp', 'pydantic', 'rich', 'msgspec', 'yaml'} & set(sys.modules);"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)

    assert result.returncode == 0, result.stderr
    assert all(f"\n  {name} " in result.stdout for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_subcommand_has_a_help_text(name: str) -> None:
    result = CliRunner().invoke(cli, [name, "--help"])

    assert result.exit_code == 0, result.output
    assert "Usage:" in result.output


def test_an_unknown_subcommand_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["nonsense"]) == 2
    assert "No such command 'nonsense'.\n" in capsys.readouterr().err
    run(["statsu"])
    assert "No such command 'statsu'. Did you mean status?" in capsys.readouterr().err


def test_an_interrupt_ends_with_130_and_no_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "main", interrupted)

    assert run([]) == 130
    assert capsys.readouterr().err == "interrupted\n"
