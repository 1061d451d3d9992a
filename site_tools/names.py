"""Finds public class names with two meanings, and loop variables that say nothing: `make check` fails on them.

A class name is unique across all packages, so that a search for it leads to one place. Tests may reuse one.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

VAGUE: Final = "one"
UNCOUNTED: Final = ("tests/", "manifests/")
"""Folders whose classes may share a name with a class elsewhere."""


def public_classes(tree: ast.Module) -> Iterator[str]:
    """The names of the classes that other modules can import."""
    for statement in tree.body:
        if isinstance(statement, ast.ClassDef) and not statement.name.startswith("_"):
            yield statement.name


def vague_loops(tree: ast.Module) -> Iterator[int]:
    """The line of each loop, comprehension or lambda whose variable is called ``one``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.For | ast.AsyncFor | ast.comprehension):
            names = {part.id for part in ast.walk(node.target) if isinstance(part, ast.Name)}
            line = node.target.lineno
        elif isinstance(node, ast.Lambda):
            names = {parameter.arg for parameter in node.args.args}
            line = node.lineno
        else:
            continue
        if VAGUE in names:
            yield line


def shared_classes(trees: Mapping[str, ast.Module]) -> dict[str, list[str]]:
    """The files of each public class name that more than one of them defines."""
    files = defaultdict(list)
    for file, tree in trees.items():
        if not file.startswith(UNCOUNTED):
            for name in public_classes(tree):
                files[name].append(file)
    return {name: sorted(places) for name, places in sorted(files.items()) if len(places) > 1}


def findings(trees: Mapping[str, ast.Module]) -> list[str]:
    """The names to change, one line each."""
    shared = [
        f"class {name} is in {', '.join(files)}: give each a name of its own"
        for name, files in shared_classes(trees).items()
    ]
    vague = [
        f"{file}:{line}: loop variable {VAGUE!r}: name what it is"
        for file, tree in trees.items()
        for line in vague_loops(tree)
    ]
    return shared + vague


def tracked() -> dict[str, ast.Module]:
    """Every Python file under version control, parsed, by its path."""
    listed = subprocess.run(["git", "ls-files", "*.py"], check=True, capture_output=True, text=True)  # noqa: S607
    files = [file for file in listed.stdout.splitlines() if Path(file).is_file()]
    return {file: ast.parse(Path(file).read_text(encoding="utf-8")) for file in files}


def main() -> int:
    """Print the findings in the tree; 1 if there are any."""
    found = findings(tracked())
    sys.stderr.write("".join(f"{line}\n" for line in found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
