"""Lines of CSV (RFC 4180) that a spreadsheet reads as data. Pure.

A spreadsheet runs a cell that begins with ``=``, ``+``, ``-`` or ``@`` as a formula, and texts of senders and clients
can begin so. Such a cell gets an apostrophe in front, which spreadsheets take for "this is text".
"""

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any, Final

COLUMNS: Final = (
    "id", "receivedAt", "occurredAt", "endedAt", "nextTryAt", "pushConfig", "account", "shipment", "awb", "forwardAwb",
    "orderId", "status", "state", "late", "tries", "replays", "error", "erasedAt", "why", "whyMessage",
)  # fmt: skip
"""Members of a push in the admin API, in the order of the columns; of its ``why``, the code and the sentence."""
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def header() -> str:
    return line(COLUMNS)


def push_line(push: Mapping[str, Any]) -> str:
    """The line of one push, given as in the admin API."""
    flat = {**push, "why": push["why"]["code"], "whyMessage": push["why"]["message"]}
    return line(flat[name] for name in COLUMNS)


def line(cells: Iterable[object]) -> str:
    """One line, with CRLF at its end."""
    text = io.StringIO()
    csv.writer(text).writerow([_cell(value) for value in cells])
    return text.getvalue()


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text
