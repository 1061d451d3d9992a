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


def changed(text: str, difference: str, name: str) -> str:
    """The text after a difference of one hunk: lines that begin with a space or a minus are in it once."""
    lines = difference.splitlines()
    before = "\n".join(line[1:] for line in lines if line[0] in " -") + "\n"
    after = "\n".join(line[1:] for line in lines if line[0] in " +") + "\n"
    assert text.count(before) == 1, f"{name} has {text.count(before)} times:\n{before}"
    return text.replace(before, after)
