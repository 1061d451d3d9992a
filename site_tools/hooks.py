"""MkDocs hooks: parts of the README on the site, checked links to the tree's own files, and a name for the search."""

import re
from pathlib import Path
from typing import Any, Final

from mkdocs.exceptions import PluginError

_LINK: Final = re.compile(r"\[([^\]]+)\]\((\.\.?/[^)#\s]+)(#[^)\s]*)?\)")
_FROM_README: Final = re.compile(r"<!-- from the README: (\w+) -->")
_README_PART: Final = re.compile(r"<!-- on the site: (\w+) -->\n(.*?)<!-- until here -->", re.DOTALL)
_UNNAMED_SEARCH: Final = '<div class="md-search" data-md-component="search" role="dialog">'
_ROOT: Final = Path(__file__).parents[1]


class BrokenPageError(PluginError):
    """A page names something that doesn't exist."""


def on_page_markdown(markdown: str, /, *, page: Any, **_: object) -> str:
    """Replace links to sources, which aren't part of the site, by their names; a dead link fails the build."""
    parts = dict(_README_PART.findall((_ROOT / "README.md").read_text(encoding="utf-8")))
    folder = (_ROOT / "docs" / page.file.src_uri).parent

    def included(found: re.Match[str]) -> str:
        if found[1] not in parts:
            raise BrokenPageError(f"{page.file.src_uri}: the README has no part {found[1]!r}")
        return str(parts[found[1]]).replace("](docs/", "](")

    def shown(found: re.Match[str]) -> str:
        target = (folder / found[2]).resolve()
        if target.is_relative_to(_ROOT / "docs"):
            return found[0]
        if not target.exists():
            raise BrokenPageError(f"{page.file.src_uri}: {found[2]} is not in the tree")
        return found[1]

    return _LINK.sub(shown, _FROM_README.sub(included, markdown))


def on_post_page(output: str, /, **_: object) -> str:
    """Give the theme's search dialog a name, which screen readers announce."""
    return output.replace(_UNNAMED_SEARCH, _UNNAMED_SEARCH.replace(">", ' aria-label="Search">'))
