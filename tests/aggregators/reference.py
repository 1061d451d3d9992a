"""The expected readings of every code, read from the reference's own tables (docs/aggregators/reference.md)."""

import re
from pathlib import Path
from typing import NamedTuple

from trackpush_api.vocabulary import NdrReason, Status

_TEXT = (Path(__file__).parents[2] / "docs/aggregators/reference.md").read_text()
_STATUS = re.compile(rf"\b(?:{'|'.join(sorted(Status, key=len, reverse=True))})\b")


class Expected(NamedTuple):
    """How one code is to be read."""

    code: str
    forward: Status
    reverse: Status | None = None
    reason: NdrReason | None = None


def _rows(section: str) -> list[list[str]]:
    text = _TEXT.split(f"### {section}")[1].split("\n### ")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]


def _status(cell: str) -> Status | None:
    found = _STATUS.match(cell)
    return None if found is None else Status(found[0])


def clickpost() -> list[Expected]:
    """§1.4: every row with numbers in its first cell, several numbers taken apart."""
    found = []
    for cells in _rows("1.4"):
        codes = re.fullmatch(r"\d+( / \d+)*", cells[0])
        if codes is None:
            continue
        forwards = [Status(name) for name in _STATUS.findall(cells[4])]
        for place, code in enumerate(cells[0].split(" / ")):
            forward = forwards[min(place, len(forwards) - 1)]
            same = cells[5] == "same"
            found.append(Expected(code, forward, forward if same else _status(cells[5])))
    return found


def shiprocket_shipment() -> list[Expected]:
    """§2.3. A blank or "-" in the column for returns is None."""
    return [
        Expected(code, Status(_STATUS.match(cells[2])[0]), _status(cells[3]))  # type: ignore[index]
        for cells in _rows("2.3")
        if cells[0][:1].isdigit()
        for code in _span(cells[0])
    ]


def _span(cell: str) -> list[str]:
    first, _, last = cell.partition("-")
    return [str(number) for number in range(int(first), int(last or first) + 1)]


def shiprocket_order() -> list[Expected]:
    """§2.4: three to a row."""
    cells = [cell for row in _rows("2.4") for cell in row]
    matches = (re.match(r"(\d+) .+? → ([A-Z_]+)", cell) for cell in cells)
    return [Expected(match[1], Status(match[2])) for match in matches if match]


def shipway() -> list[Expected]:
    """§3.3: the letters and, where a number stands beside them, the number too."""
    found = []
    for cells in _rows("3.3"):
        codes = re.fullmatch(r'"?(\w+)"?(?: \((\d+)\))?', cells[0])
        readings = re.match(r"([A-Z_]{4,})(?:/([A-Z_]+))?", cells[2]) if len(cells) > 2 else None
        if codes is None or readings is None:
            continue
        reason = NdrReason(readings[2]) if readings[2] else None
        found += [Expected(code, Status(readings[1]), None, reason) for code in codes.groups() if code]
    return found
