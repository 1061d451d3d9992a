"""kube-score on what the chart makes and on the golden files: docs/security.md gives a reason for each finding."""

import json
import re
import subprocess
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import yaml

from helm.test_chart import USUAL
from kube.fixtures import ROOT
from kube.rig.linters import kube_score

Render = Callable[..., list[dict[str, Any]]]
IN_ORDER = 10
"""kube-score's best grade."""
GOLDEN = sorted((ROOT / "tests/desired/golden").glob("*.yaml"))
_ROW = re.compile(r"^\| ([^|]+) \| ([^|]+) \| [^|]{20,} \|$", re.MULTILINE)
pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]


class Found(NamedTuple):
    """What kube-score says, and of which container, or else kind."""

    summary: str
    where: str


def findings(manifests: str) -> set[Found]:
    """All that is not in order."""
    command = [str(kube_score()), "score", "--output-format", "json", "-"]
    done = subprocess.run(command, input=manifests, capture_output=True, text=True, check=False, timeout=120)
    return {
        Found(comment["summary"], comment["path"] or scored["type_meta"]["kind"])
        for scored in json.loads(done.stdout)
        for check in scored["checks"]
        for comment in check["comments"] or ()
        if not check["skipped"] and check["grade"] < IN_ORDER
    }


def listed() -> set[Found]:
    """The rows of the page's table."""
    page = (ROOT / "docs/security.md").read_text().partition("## Findings of linters")[2]
    return {
        Found(summary.strip(), where.strip("` "))
        for summary, places in _ROW.findall(page)
        for where in places.split(",")
        if "`" in where
    }


def test_each_finding_of_the_linter_has_its_reason_in_the_docs(render: Render) -> None:
    charts = [yaml.safe_dump_all(render(USUAL[name])) for name in ("defaults", "server", "two")]
    found = set().union(*(findings(text) for text in [*charts, *(file.read_text() for file in GOLDEN)]))
    assert found - listed() == set(), "correct it, or give a reason in docs/security.md"
    assert listed() - found == set(), "a row of docs/security.md is about nothing any more"
    assert found
