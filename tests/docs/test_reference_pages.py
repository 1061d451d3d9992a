"""Pages made from other files: the API's reference, and the figures of docs/sizing.md."""

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType
from typing import Final

DOCS: Final = Path(__file__).parents[2] / "docs"
_ROW: Final = re.compile(r"^\| [^|]+ \| ([\d.,]+[^|]*) \| \[\w+\]\(([\w-]+\.md)[^)]*\) \|$", re.MULTILINE)


def tool(name: str) -> ModuleType:
    """A module of site_tools, which is no package."""
    spec = importlib.util.spec_from_file_location(name, DOCS.parent / "site_tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_api_reference_has_every_operation_and_object_of_the_description() -> None:
    description = json.loads((DOCS / "schemas/admin-api.v1.json").read_text(encoding="utf-8"))
    operations = {f"{method.upper()} {path}" for path, methods in description["paths"].items() for method in methods}

    page = tool("api_page").reference(description)

    assert set(re.findall(r"^### (\S+ /\S+)$", page, re.MULTILINE)) == operations
    assert set(re.findall(r"^### (\w+)$", page, re.MULTILINE)) == set(description["components"]["schemas"])


def test_a_limit_is_described_as_one_in_the_api_reference() -> None:
    page = tool("api_page").reference(json.loads((DOCS / "schemas/admin-api.v1.json").read_text(encoding="utf-8")))

    rows = re.findall(r"^\| `limit` \|.*$", page, re.MULTILINE)
    assert rows
    assert [row for row in rows if "Maximum number of entries" not in row] == []


def test_each_measured_figure_of_the_page_of_sizes_is_in_the_page_that_it_names() -> None:
    figures = _ROW.findall((DOCS / "sizing.md").read_text(encoding="utf-8"))

    assert len(figures) > 8
    assert [row for row in figures if row[0] not in (DOCS / row[1]).read_text(encoding="utf-8")] == []
