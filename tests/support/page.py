"""What a page of the docs holds between its markers: examples that tests run or compare."""

import re
from pathlib import Path

_BLOCK = re.compile(r"<!-- ([a-z]+): ([^\n]+?) -->\n```[a-z]*\n(.*?)```", re.DOTALL)
_TABLE = re.compile(r"<!-- checked: ([^\n]+?) -->\n((?:\|[^\n]*\n)+)")


def blocks(page: Path, kind: str) -> dict[str, str]:
    """The code blocks marked ``<!-- kind: name -->``, by name."""
    return {name: code for found, name, code in _BLOCK.findall(page.read_text(encoding="utf-8")) if found == kind}


def table(page: Path, name: str) -> str:
    """The table marked ``<!-- checked: name -->``, as it is written."""
    return dict(_TABLE.findall(page.read_text(encoding="utf-8")))[name]
