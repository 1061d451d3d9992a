"""One run of the demo for all tests that look at what it leaves behind."""

import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest


class DemoRun(NamedTuple):
    """A finished `trackpush demo --once`."""

    code: int
    output: str
    data: Path
    """The journal's folder."""


@pytest.fixture(scope="session")
def demo_run(tmp_path_factory: pytest.TempPathFactory) -> DemoRun:
    root = tmp_path_factory.mktemp("demo") / "run"
    result = subprocess.run(
        [sys.executable, "-m", "trackpush_cli", "demo", "--once", "--data", str(root)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    return DemoRun(result.returncode, result.stdout, root / "data")
