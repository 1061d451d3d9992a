"""Writes the functions that verify a signature into docs/receiving-pushes.md. `--check` only compares.

The portal shows the same texts (`trackpush_server/portal/snippets`).
"""

import re
import sys
from pathlib import Path
from typing import Final

from trackpush_server.portal.snippets import SNIPPETS

_PAGE: Final = Path(__file__).parents[1] / "docs" / "receiving-pushes.md"


def page(text: str) -> str:
    """The page with the functions as they are.

    Raises:
        LookupError: the page has no place for a function.
    """
    for snippet in SNIPPETS:
        place = re.compile(rf"(<!-- verified: {re.escape(snippet.file_name)} -->\n```[a-z]*\n).*?(```)", re.DOTALL)
        text, found = place.subn(lambda match, code=snippet.text: f"{match[1]}{code}{match[2]}", text)
        if found != 1:
            raise LookupError(f"{_PAGE.name}: no block <!-- verified: {snippet.file_name} -->")
    return text


def main() -> int:
    old = _PAGE.read_text(encoding="utf-8")
    new = page(old)
    if "--check" in sys.argv:
        if new != old:
            sys.stderr.write(f"{_PAGE}: out of date; run {Path(__file__).name}\n")
        return int(new != old)
    _PAGE.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
