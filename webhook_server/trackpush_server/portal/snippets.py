"""The functions that verify a signature, one for each language. docs/receiving-pushes.md shows the same texts.

`site_tools/snippets.py` writes them there, and the tests of that page run them.
"""

from importlib import resources
from typing import Final

import msgspec

_FOLDER: Final = resources.files("trackpush_server.portal") / "snippets"


class Snippet(msgspec.Struct, frozen=True):
    """A function in one language."""

    language: str
    file_name: str
    text: str


def _snippet(language: str, file_name: str, stored: str) -> Snippet:
    return Snippet(language, file_name, (_FOLDER / stored).read_text(encoding="utf-8"))


SNIPPETS: Final = (
    _snippet("Python", "verify.py", "python.txt"),
    _snippet("Node", "verify.mjs", "node.txt"),
    _snippet("PHP", "verify.php", "php.txt"),
    _snippet("Java", "Verify.java", "java.txt"),
    _snippet("Go", "verify.go", "go.txt"),
)
"""Read at import, so that no page waits for a disk."""
