"""Every aggregator has a page: its setup, its retries, the personal data that is removed, its codes."""

import re
from pathlib import Path

import pytest

from trackpush_aggregators.catalog import catalog_names, catalog_spec
from trackpush_api.vocabulary import Aggregator

ROOT = Path(__file__).parents[2]
SECTIONS = ("Set up", "If Trackpush does not answer 2xx", "Personal data", "Codes", "Inferred")
_STEP = re.compile(r"^\d+\. ", re.MULTILINE)


def section(name: str, title: str) -> str:
    """The text below a heading of a page."""
    text = (ROOT / f"docs/aggregators/{name}.md").read_text(encoding="utf-8")
    return text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize("name", [*(each.slug for each in Aggregator), *catalog_names()])
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


_PERSONAL = {"email": "e-mail", "phone": "phone", "first_name": "name", "received_by": "received_by"}
"""Members of bodies with personal data, and the words for them on a page."""


@pytest.mark.parametrize("aggregator", Aggregator)
def test_the_page_of_a_built_in_aggregator_names_the_personal_data_of_its_samples(aggregator: Aggregator) -> None:
    folder = ROOT / "common/trackpush_aggregators/samples" / aggregator.slug
    bodies = "".join(path.read_text(encoding="utf-8") for path in folder.iterdir())
    told = section(aggregator.slug, "Personal data")

    assert [word for member, word in _PERSONAL.items() if f'"{member}":' in bodies and word not in told] == []
    assert "`[redacted]`" in told, "the key is removed"


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
