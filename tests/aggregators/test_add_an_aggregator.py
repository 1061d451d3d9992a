"""docs/add-an-aggregator.md: its steps work, and every aggregator has all of its checklist."""

import importlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from aggregators.bodies import SAMPLES
from support.page import changed
from trackpush_api.aggregators import KEY_HEADERS, PROFILES
from trackpush_api.vocabulary import Aggregator

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/add-an-aggregator.md").read_text()
STEP = re.compile(r'^```(python|diff) title="(.+?)"\n(.*?)^```$', re.MULTILINE | re.DOTALL)
PACKAGES = ("crds/trackpush_api", "common/trackpush_aggregators")

READ_ONE = """
import json, sys
from trackpush_api.aggregators import KEY_HEADERS, profile
from trackpush_api.vocabulary import Aggregator, Status
from trackpush_aggregators import composable, compose, decode, parse

def read(body):
    return parse(Aggregator.SWIFTLINE, decode(body), body, key=None, received_at=1_800_000_000_000)

facts = {"awb": "SW1", "order_id": "O-1", "occurred_at": 1_780_000_000_000}
composed = {
    status: read(compose(Aggregator.SWIFTLINE, status, **facts)).updates for status in composable(Aggregator.SWIFTLINE)
}
(unknown,) = read(b'{"docket": 7, "code": "99", "at": "yesterday"}').updates
print(json.dumps({
    "url": profile(Aggregator.SWIFTLINE).path_segment,
    "header": "x-swiftline-token" in KEY_HEADERS,
    "same": all(
        (update.status, update.awb, update.order_id, update.occurred_at) == (status, *facts.values())
        for status, (update,) in composed.items()
    ),
    "statuses": sorted(composed),
    "unknown": [unknown.status, unknown.awb, unknown.aggregator_code, unknown.occurred_at, unknown.occurred_at_text],
    "probe": [read(body).identified for body in (b"", b"{}", b"[]", b'{"docket": null}')],
    "from": sys.modules["trackpush_aggregators"].__file__,
}))
"""


def test_an_invented_aggregator_that_follows_the_page_word_by_word_is_read(tmp_path: Path) -> None:
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    for kind, name, text in STEP.findall(PAGE):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text if kind == "python" else changed(path.read_text(), text, name))

    paths = [str((tmp_path / package).parent) for package in PACKAGES]
    program = f"import sys; sys.path[:0] = {paths!r}\n{READ_ONE}"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=100, check=False)

    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout) == {
        "url": "swiftline",
        "header": True,
        "same": True,
        "statuses": ["DELIVERED", "IN_TRANSIT", "OUT_FOR_DELIVERY", "RTO_INITIATED"],
        "unknown": ["UNKNOWN", "7", "99", None, "yesterday"],
        "probe": [False] * 4,
        "from": str(tmp_path / "common/trackpush_aggregators/__init__.py"),
    }


@pytest.mark.parametrize("aggregator", Aggregator)
def test_each_aggregator_has_all_of_the_checklist(aggregator: Aggregator) -> None:
    slug, facts = aggregator.slug, PROFILES[aggregator]
    assert facts.aggregator is aggregator
    assert re.fullmatch("[a-z][a-z0-9-]*", facts.path_segment)
    assert facts.refused_word(f"/rms/in/api/{facts.path_segment}/notify") is None
    assert set(facts.key_headers) <= set(KEY_HEADERS)
    assert facts.setup.endswith(".")
    for module in ("parser", "codes", "composer"):
        importlib.import_module(f"trackpush_aggregators.{slug}.{module}")
    cases = [case for case in json.loads((SAMPLES / "cases.json").read_text()) if case["aggregator"] == slug]
    files = {f"{slug}/{path.name}" for path in (SAMPLES / slug).iterdir()}
    assert len(files) > 2
    assert {case["file"] for case in cases} == files
    page = ROOT / f"docs/aggregators/{slug}.md"
    assert page.read_text().startswith(f"# {aggregator.value}\n")
    assert f"aggregators/{slug}.md" in (ROOT / "mkdocs.yml").read_text()
    reference = (ROOT / "docs/aggregators/reference.md").read_text()
    assert re.search(rf"^## \d+\. {aggregator.value}$", reference, re.MULTILINE)


def test_no_two_aggregators_have_the_same_url() -> None:
    assert len({facts.path_segment for facts in PROFILES.values()}) == len(Aggregator) == len(PROFILES)
