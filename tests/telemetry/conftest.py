"""Prometheus' own tools."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Promtool = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def promtool(debian_program: Callable[[str, str], Path]) -> Promtool:
    """Runs promtool with arguments, and text to read."""
    tool = debian_program("prometheus", "usr/bin/promtool")

    def run(*arguments: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
        command = [str(tool), *map(str, arguments)]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=60)

    return run
