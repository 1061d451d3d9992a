"""MkDocs hooks: parts of the README on the site, checked links to the tree's own files, and a name for the search."""

import json
import re
import sys
from pathlib import Path
from typing import Any, Final

from mkdocs.exceptions import PluginError

sys.path.insert(0, str(Path(__file__).parent))
import api_page

_LINK: Final = re.compile(r"\[([^\]]+)\]\((\.\.?/[^)#\s]+)(#[^)\s]*)?\)")
_FROM_README: Final = re.compile(r"<!-- from the README: (\w+) -->")
_CHANGELOG: Final = "<!-- from the changelog -->"
_API: Final = "<!-- from the API's description -->"
_README_PART: Final = re.compile(r"<!-- on the site: (\w+) -->\n(.*?)<!-- until here -->", re.DOTALL)
_UNNAMED_SEARCH: Final = '<div class="md-search" data-md-component="search" role="dialog">'
_EMPTY_HEADER: Final = re.compile(r"<th((?: [^>]*)?)></th>")
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

    whole = markdown.replace(_CHANGELOG, releases()) if _CHANGELOG in markdown else markdown
    whole = whole.replace(_API, api()) if _API in whole else whole
    return _LINK.sub(shown, _FROM_README.sub(included, whole))


def api() -> str:
    """The reference of the admin API."""
    description = (_ROOT / "docs/schemas/admin-api.v1.json").read_text(encoding="utf-8")
    return api_page.reference(json.loads(description))


def releases() -> str:
    """The sections of the changelog, with links that work in docs/."""
    _, first, sections = (_ROOT / "CHANGELOG.md").read_text(encoding="utf-8").partition("\n## [")
    return (first + sections).replace("](docs/", "](")


def on_post_page(output: str, /, **_: object) -> str:
    """Name the theme's search dialog for screen readers, and make empty table headers plain cells."""
    named = output.replace(_UNNAMED_SEARCH, _UNNAMED_SEARCH.replace(">", ' aria-label="Search">'))
    return _EMPTY_HEADER.sub(r"<td\1></td>", named)


def on_post_template(output: str, /, *, template_name: str, **_: object) -> str:
    """Skip the theme's 404 page: no web server shows it, because the site is read from a folder."""
    return "" if template_name == "404.html" else output
