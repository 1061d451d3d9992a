"""Every aggregator of the catalog has a page: its setup, its retries, the personal data that is removed, its codes."""

import re
from pathlib import Path

import pytest

from trackpush_aggregators.catalog import catalog_names, catalog_spec

ROOT = Path(__file__).parents[2]
SECTIONS = ("Set up", "If Trackpush does not answer 2xx", "Personal data", "Codes", "Inferred")
_STEP = re.compile(r"^\d+\. ", re.MULTILINE)


def section(name: str, title: str) -> str:
    """The text below a heading of a page."""
    text = (ROOT / f"docs/aggregators/{name}.md").read_text(encoding="utf-8")
    return text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize("name", catalog_names())
def test_each_page_is_in_the_menu_and_has_all_sections(name: str) -> None:
    assert f"- aggregators/{name}.md\n" in (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for title in SECTIONS:
        assert section(name, title).strip(), title
    assert len(_STEP.findall(section(name, "Set up"))) >= 3


@pytest.mark.parametrize("name", catalog_names())
def test_each_page_names_all_personal_data_that_is_removed(name: str) -> None:
    spec = catalog_spec(name)
    assert spec is not None
    told = section(name, "Personal data")
    for path in spec.redact:
        last = path.rpartition(".")[2].removesuffix("*")
        assert last in told, path
    assert spec.redact or "nothing is removed" in told


@pytest.mark.parametrize("name", catalog_names())
def test_each_page_shows_the_table_of_the_definition(name: str) -> None:
    spec = catalog_spec(name)
    assert spec is not None
    rows = [line for line in section(name, "Codes").splitlines() if line.startswith("| ")]
    assert len(rows) == 1 + len(spec.status.table)
    for row, line in zip(spec.status.table, rows[1:], strict=True):
        assert f"`{row.status}`" in line
        assert all((f"`{pattern}`" if pattern else "empty") in line for pattern in row.when)


@pytest.mark.parametrize("name", catalog_names())
def test_the_setup_that_a_resources_status_shows_says_where_the_key_belongs(name: str) -> None:
    spec = catalog_spec(name)
    assert spec is not None
    setup = spec.setup or ""
    assert "URL" in setup
    assert any(word in setup for word in ("key", "secret")), setup
