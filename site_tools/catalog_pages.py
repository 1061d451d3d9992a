"""Writes the catalog's tables of codes into docs/aggregators/NAME.md. `--check` only compares."""

import re
import sys
from pathlib import Path
from typing import Final

from trackpush_aggregators.catalog import catalog_names, catalog_spec
from trackpush_aggregators.definition.statuses import DIRECTION_NAMES
from trackpush_aggregators.taxonomy import FAMILY
from trackpush_api.kinds.aggregator_definition import AggregatorDefinitionSpec, StatusRow

_FOLDER: Final = Path(__file__).parents[1] / "docs" / "aggregators"
_TABLE: Final = re.compile(r"(<!-- generated: codes -->\n).*?(<!-- end -->)", re.DOTALL)


def table(spec: AggregatorDefinitionSpec) -> str:
    """The Markdown table of a definition's statuses."""
    paths = [f"`{path}`" for path in spec.status.code.candidates]
    head = f"| {' | '.join(paths)} | status | direction |\n|{'---|' * (len(paths) + 2)}\n"
    return head + "".join(_row(row) for row in spec.status.table)


def _row(row: StatusRow) -> str:
    family = FAMILY.get(row.status)
    direction = row.direction or (DIRECTION_NAMES[family] if family else "")
    reason = f", reason `{row.ndr_reason}`" if row.ndr_reason else ""
    codes = " | ".join(f"`{pattern}`" if pattern else "empty" for pattern in row.when)
    return f"| {codes} | `{row.status}`{reason} | {direction} |\n"


def page(name: str) -> Path:
    """The page of a definition."""
    return _FOLDER / f"{name}.md"


def written(name: str, text: str) -> str:
    """The page's text with the table of the catalog."""
    spec = catalog_spec(name)
    if spec is None:
        raise KeyError(name)
    return _TABLE.sub(lambda found: f"{found[1]}{table(spec)}{found[2]}", text)


def main(arguments: list[str]) -> int:
    """Write the pages, or with ``--check`` name those that are out of date."""
    outdated = []
    for name in catalog_names():
        text = page(name).read_text(encoding="utf-8")
        current = written(name, text)
        if current != text:
            outdated.append(name)
            if "--check" not in arguments:
                page(name).write_text(current, encoding="utf-8")
    for name in outdated:
        sys.stdout.write(f"docs/aggregators/{name}.md: {'is out of date' if '--check' in arguments else 'written'}\n")
    return int("--check" in arguments and bool(outdated))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
