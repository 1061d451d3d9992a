"""docs/add-an-aggregator-in-fifteen-minutes.md: its steps in order, and the files that its reader has at the end."""

import re
from pathlib import Path
from typing import Final, NamedTuple

from support.page import changed
from trackpush_aggregators.definition.draft import draft

NAME: Final = "quickhaul"
FILE: Final = f"resources/{NAME}.yaml"
_PAGE: Final = Path(__file__).parents[2] / "docs/add-an-aggregator-in-fifteen-minutes.md"
_BLOCK: Final = re.compile(
    r'(?:<!-- ([^\n]+) -->\n)?^```([a-z]+)(?: title="([^\n]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL
)
_WRITTEN: Final = re.compile(r"^cat > (\S+) <<'([A-Z]+)'\n(.*?)^\2$", re.MULTILINE | re.DOTALL)


class Step(NamedTuple):
    """A block of the page."""

    marker: str
    """What the page says about it: `runnable`, `output`, …; empty for a difference."""
    language: str
    file: str
    """The file that a difference changes."""
    text: str


def steps() -> list[Step]:
    """All blocks of the page, in order."""
    return [Step(*found) for found in _BLOCK.findall(_PAGE.read_text(encoding="utf-8"))]


def marked(marker: str) -> str:
    """The only block with this marker."""
    (text,) = [step.text for step in steps() if step.marker == marker]
    return text


def written(file: str) -> str:
    """The text that a command of the page writes into a file."""
    (text,) = [text for step in steps() for name, _, text in _WRITTEN.findall(step.text) if name == file]
    return text


def definition() -> str:
    """The corrected definition, as YAML."""
    text = draft(NAME, written("body.json").encode())
    for step in steps():
        if step.language == "diff":
            assert step.file == FILE
            text = changed(text, step.text, FILE)
    return text
