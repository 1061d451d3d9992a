"""docs/architecture.md, "Two walks through the code": each file and function of a walk exists."""

import ast
import re
from pathlib import Path
from typing import Final

import pytest

PAGE: Final = Path(__file__).parents[2] / "docs" / "architecture.md"
_STEP: Final = re.compile(r"^\| \[`[\w/.]+`\]\(([\w/.]+)\) \| `([\w.]+)` \|", re.MULTILINE)


def steps(heading: str) -> list[tuple[str, str]]:
    """File and function of each step of a walk."""
    page = PAGE.read_text(encoding="utf-8")
    return _STEP.findall(page.partition(f"\n### {heading}\n")[2].partition("\n#")[0])


def names(path: Path) -> set[str]:
    """Functions of a module, and ``Class.method``."""
    module = ast.parse(path.read_text(encoding="utf-8"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    methods = {
        f"{found.name}.{method.name}"
        for found in module.body
        if isinstance(found, ast.ClassDef)
        for method in found.body
        if isinstance(method, functions)
    }
    return methods | {found.name for found in module.body if isinstance(found, functions)}


@pytest.mark.parametrize(
    ("heading", "count"),
    [
        ("From the README to the line that decides the fate of a push", 5),
        ("From `kubectl apply` to the status patch", 6),
    ],
)
def test_each_step_of_a_walk_names_a_function_that_its_file_has(heading: str, count: int) -> None:
    walk = steps(heading)

    assert len(walk) == count
    assert [(file, function) for file, function in walk if function not in names((PAGE.parent / file).resolve())] == []
