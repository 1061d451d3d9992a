"""Completion: a script a shell, and what kubectl asks its plugin for."""

import subprocess
import sys
from pathlib import Path

import pytest

from trackpush_cli.completion import candidates
from trackpush_cli.main import COMMANDS

PROGRAMS = Path(sys.executable).parent


def names(*words: str) -> list[str]:
    return [name for name, _ in candidates(list(words))[0]]


def test_commands_options_and_values_are_completed() -> None:
    assert names("") == list(COMMANDS)
    assert names("pu") == ["pushes"]
    assert {"drop", "list", "show", "tail"} <= {*names("pushes", "")}
    assert "--push-config" in names("pushes", "list", "--pu")
    assert names("pushes", "list", "--state", "d") == ["delivered", "dead", "dropped"]
    assert names("-o") == []


def test_where_a_file_fits_files_are_completed_too() -> None:
    assert candidates(["check", ""])[1]
    assert not candidates(["pu"])[1]


@pytest.mark.parametrize(("words", "last"), [(["pu"], ":4"), (["pushes", "list", "--data", ""], ":0")])
def test_kubectl_gets_a_candidate_a_line_and_a_directive(words: list[str], last: str) -> None:
    done = subprocess.run(
        [PROGRAMS / "kubectl_complete-trackpush", *words], capture_output=True, text=True, check=True, timeout=60
    )

    assert done.stdout.splitlines()[-1] == last
    assert ("pushes\t" in done.stdout) == (words == ["pu"])


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_its_script(shell: str) -> None:
    done = subprocess.run(
        [PROGRAMS / "trackpush", "completion", shell], capture_output=True, text=True, check=True, timeout=60
    )

    assert "_TRACKPUSH_COMPLETE" in done.stdout


def test_bash_completes_with_the_script() -> None:
    script = """
        source <(trackpush completion bash)
        COMP_WORDS=(trackpush pushes l); COMP_CWORD=2
        _trackpush_completion trackpush; echo "${COMPREPLY[@]}"
    """
    path = {"PATH": f"{PROGRAMS}:/usr/bin:/bin"}
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, timeout=60, env=path)

    assert done.stdout.split() == ["list"]


def test_called_as_kubectls_plugin_it_says_so_in_its_help() -> None:
    done = subprocess.run(
        [PROGRAMS / "kubectl-trackpush", "--help"], capture_output=True, text=True, timeout=60, check=True
    )

    assert "Usage: kubectl trackpush" in done.stdout
