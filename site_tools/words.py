"""Finds words that need a second reading, in docs, messages, docstrings and comments: `make check` fails on them.

A comment ``words: quoted``, in the same paragraph or on the same line, excepts a quotation of somebody else's text.
"""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tokenize
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

WORDS: Final = re.compile(
    r"\b(?:(?:is|are|was|were|be|been|being) told|stands?(?! for\b)|stood|anew|for ever"
    r"|that there (?:is|are|was|were)|of ours|who asks?|goes on|go on|went on|going on|(?:is|are) had"
    r"|none the worse|what is no"
    r"|(?<!there )(?:is|are|was|were) no(?! (?:longer|more than|less than)\b))\b",
    re.IGNORECASE,
)
QUOTED: Final = "words: quoted"
READ: Final = (".css", ".html", ".js", ".json", ".md", ".sql", ".toml", ".tpl", ".txt", ".yaml", ".yml")
SKIPPED: Final = ("tests/", "benchmarks/", "constraints.txt", "site_tools/words")
MIGRATION: Final = re.compile(r"/schema/\d+_\w+\.sql$")  # a released migration never changes, not even its comments


def prose(path: Path) -> Iterator[tuple[int, str]]:
    """The first line and the text of each paragraph; of Python, of each string and each comment."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        quoted = {number for number, line in enumerate(text.splitlines(), 1) if QUOTED in line}
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.lineno not in quoted:
                yield node.lineno, node.value
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT and token.start[0] not in quoted:
                yield token.start[0], token.string
        return
    for found in re.finditer(r"(?:.+\n?)+", text):
        if QUOTED not in found.group():
            yield text.count("\n", 0, found.start()) + 1, found.group()


def findings(path: Path) -> list[str]:
    """What to correct in a file, one line each."""
    texts = ((line, " ".join(text.split())) for line, text in prose(path))
    return [
        f"{path}:{line}: {hit.group()!r} in: {text[max(0, hit.start() - 50) : hit.end() + 50]}"
        for line, text in texts
        for hit in WORDS.finditer(text)
    ]


def tracked() -> list[str]:
    """The files under version control, but those that words-exempt.txt still excepts."""
    exempt = tuple(Path("site_tools/words-exempt.txt").read_text(encoding="utf-8").split())
    names = subprocess.run(["git", "ls-files"], check=True, capture_output=True, text=True).stdout.split("\n")  # noqa: S607
    return [name for name in names if not name.startswith((*SKIPPED, *exempt)) and not MIGRATION.search(name)]


def main(names: list[str]) -> int:
    """Print the findings in the files named, or in all; 1 if there are any."""
    paths = [Path(name) for name in names or tracked() if name.endswith((".py", "Makefile", *READ))]
    found = [line for path in paths if path.is_file() for line in findings(path)]
    sys.stderr.write("".join(f"{line}\n" for line in found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
