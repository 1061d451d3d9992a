"""kube-score and checkov on what the chart makes and on the golden files; docs/security.md explains each finding."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from helm.test_chart import USUAL
from kube.fixtures import ROOT
from kube.rig.linters import checkov, kube_score

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


def checkov_findings(folder: Path) -> set[Found]:
    """What checkov finds in the manifests of a folder: the check's number, and the kind."""
    command = [
        str(checkov()),
        "-d",
        str(folder),
        "--framework",
        "kubernetes",
        "-o",
        "json",
        "--compact",
        "--skip-download",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    report = json.loads(done.stdout)
    assert report["summary"]["passed"] > 0, "it read the manifests"
    assert report["summary"]["parsing_errors"] == 0
    failed = report["results"]["failed_checks"]
    return {Found(check["check_id"], check["resource"].partition(".")[0]) for check in failed}


def listed(heading: str) -> set[Found]:
    """The rows of a table of the page."""
    page = (ROOT / "docs/security.md").read_text().partition(f"\n### {heading}\n")[2].partition("\n### ")[0]
    return {
        Found(summary.strip(), where.strip("` "))
        for summary, places in _ROW.findall(page)
        for where in places.split(",")
        if "`" in where
    }


def test_each_finding_of_the_linter_has_its_reason_in_the_docs(render: Render) -> None:
    charts = [yaml.safe_dump_all(render(USUAL[name])) for name in ("defaults", "server", "two")]
    found = set().union(*(findings(text) for text in [*charts, *(file.read_text() for file in GOLDEN)]))
    assert found - listed("kube-score") == set(), "correct it, or give a reason in docs/security.md"
    assert listed("kube-score") - found == set(), "a row of docs/security.md is about nothing any more"
    assert found


def test_each_finding_of_checkov_has_its_reason_in_the_docs(render: Render, tmp_path: Path) -> None:
    for name in ("defaults", "server", "two"):
        (tmp_path / f"chart-{name}.yaml").write_text(yaml.safe_dump_all(render(USUAL[name])))
    for file in GOLDEN:
        (tmp_path / file.name).write_text(file.read_text())
    found = checkov_findings(tmp_path)
    known = {Found(summary.partition(" ")[0], where) for summary, where in listed("checkov")}
    assert found - known == set(), "correct it, or give a reason in docs/security.md"
    assert known - found == set(), "a row of docs/security.md is about nothing any more"
