"""Renders the chart."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from kube.fixtures import ROOT

Objects = list[dict[str, Any]]
Render = Callable[..., Objects]
CHART = ROOT / "helm/trackpush"


@pytest.fixture
def template(helm: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """``helm template`` with values."""

    def run(values: dict[str, Any] | None = None, *flags: str) -> subprocess.CompletedProcess[str]:
        command = [str(helm), "template", "trackpush", str(CHART), "-n", "trackpush", "-f", "-", *flags]
        given = yaml.safe_dump(values or {})
        return subprocess.run(command, input=given, capture_output=True, text=True, check=False, timeout=60)

    return run


@pytest.fixture
def render(template: Callable[..., subprocess.CompletedProcess[str]]) -> Render:
    """The objects that the chart makes of values."""

    def run(values: dict[str, Any] | None = None) -> Objects:
        done = template(values)
        assert done.returncode == 0, done.stderr
        return [document for document in yaml.safe_load_all(done.stdout) if document]

    return run
