"""The chart's alert rules and dashboard, checked by Prometheus' own tools; each alert has its page."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from kube.fixtures import ROOT
from kube.rig import build
from telemetry.chart import ALERTS, dashboard, expressions, rules

BUILD_SECONDS = 900
"""For the test that may have to build the reader first, from an empty Go cache: pytest's time-out counts that, too."""
build.PROGRAMS["dashboard"] = (ROOT / "tests/telemetry/dashboard", ".")
Promtool = Callable[..., subprocess.CompletedProcess[str]]
_METRIC = re.compile(r"\btrackpush_[a-z_]+")
_SUFFIX = re.compile(r"_(bucket|sum|count)$")


@pytest.fixture
def rule_file(helm: Path, tmp_path: Path) -> Path:
    """The rules as the chart makes them."""
    file = tmp_path / "alerts.yaml"
    file.write_text(yaml.safe_dump(rules(helm)))
    return file


def test_the_rules_are_valid(promtool: Promtool, rule_file: Path) -> None:
    done = promtool("check", "rules", rule_file)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"SUCCESS: {len(ALERTS)} rules found" in done.stdout


def test_each_alert_fires_when_it_should_and_not_otherwise(promtool: Promtool, rule_file: Path) -> None:
    tests = rule_file.with_name("alerts.test.yaml")
    tests.write_text(yaml.safe_dump(_tests()))  # promtool takes no overridden keys of a merge
    done = promtool("test", "rules", tests)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_is_tested_and_has_a_page_that_says_when_it_is_over() -> None:
    firing = {case["alertname"] for test in _tests()["tests"] for case in test["alert_rule_test"] if case["exp_alerts"]}
    assert firing == set(ALERTS)
    overview = (ROOT / "docs/metrics.md").read_text()
    for alert, page in ALERTS.items():
        text = (ROOT / f"docs/runbooks/{page}.md").read_text()
        assert text.startswith(f"# {alert}\n")
        assert re.findall(r"^## (\w+)", text, re.MULTILINE) == ["Look", "Do", "Over"]
        assert f"[`{alert}`](runbooks/{page}.md)" in overview


def test_rules_dashboard_and_pages_ask_only_for_metrics_that_exist(helm: Path) -> None:
    told = set(re.findall(r"^\| `(trackpush_[a-z_]+)", (ROOT / "docs/metrics.md").read_text(), re.MULTILINE))
    (group,) = rules(helm)["groups"]
    asked = [rule["expr"] for rule in group["rules"]] + expressions(dashboard(helm))
    asked += [page.read_text() for page in (ROOT / "docs/runbooks").glob("*.md")]
    names = {_SUFFIX.sub("", name) for text in asked for name in _METRIC.findall(text)}
    assert names
    assert names <= told


def test_the_dashboard_can_be_imported_into_any_grafana(helm: Path) -> None:
    board = dashboard(helm)
    panels: list[dict[str, Any]] = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert all(panel["description"] for panel in panels if panel["type"] != "row")
    assert set(re.findall(r'"uid": "(.*?)"', json.dumps(board))) == {"trackpush", "${datasource}"}


@pytest.mark.slow
@pytest.mark.timeout(BUILD_SECONDS)
def test_grafanas_own_types_find_nothing_wrong_with_the_dashboard(helm: Path) -> None:
    program = build.program("dashboard")

    def read(board: dict[str, Any]) -> subprocess.CompletedProcess[str]:
        text = json.dumps(board)
        return subprocess.run([program], input=text, capture_output=True, text=True, check=False, timeout=60)

    board = dashboard(helm)
    well = read(board)
    assert well.returncode == 0, well.stderr
    assert {panel["type"] for panel in board["panels"]} == {"row", "stat", "table", "timeseries"}, "known to them"
    target = next(panel["targets"][0] for panel in board["panels"] if panel["type"] == "timeseries")
    target["query"] = target.pop("expr")
    assert "unexpected field 'query'" in read(board).stderr, "they would let anything pass"


def _tests() -> dict[str, Any]:
    return dict(yaml.safe_load((Path(__file__).parent / "alerts.test.yaml").read_text()))
