"""Writes all pushes that match as CSV or NDJSON: page by page, so that memory stays constant."""

import json
from typing import TYPE_CHECKING, Final

import msgspec

from trackpush_api.printable import printable, printable_json
from trackpush_cli import pushes_view
from trackpush_cli.output import write_raw
from trackpush_server.admin import csv_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from trackpush_server.journal.search import PushPage, PushQuery, PushRow

_PAGE: Final = 1000


def found(list_pushes: "Callable[[PushQuery], PushPage]", query: "PushQuery", limit: int | None) -> "Iterator[PushRow]":
    """Matching pushes, newest first, at most ``limit``. Reads the next page when the previous one was used up."""
    left, cursor = limit, query.cursor
    while left is None or left > 0:
        size = _PAGE if left is None else min(left, _PAGE)
        page = list_pushes(msgspec.structs.replace(query, cursor=cursor, limit=size))
        yield from page.rows
        cursor = page.older
        if cursor is None:
            return
        left = None if left is None else left - len(page.rows)


def filled(list_pushes: "Callable[[PushQuery], PushPage]", query: "PushQuery") -> "PushPage":
    """One page that is full unless there are no more matches: a search that reached its bound is continued."""
    page = list_pushes(query)
    while page.older is not None and len(page.rows) < query.limit:
        rest = list_pushes(msgspec.structs.replace(query, cursor=page.older, limit=query.limit - len(page.rows)))
        page = msgspec.structs.replace(page, rows=page.rows + rest.rows, older=rest.older)
    return page


def write(rows: "Iterator[PushRow]", form: str) -> None:
    """Write pushes as ``csv`` or ``ndjson``."""
    if form == "csv":
        write_raw(csv_text.header())
    for row in rows:
        data = pushes_view.row_data(row)
        if form == "csv":
            write_raw(csv_text.push_line({name: _clean(value) for name, value in data.items()}))
        else:
            write_raw(printable_json(json.dumps(data, ensure_ascii=False)) + "\n")


def _clean(value: object) -> object:
    """Without control characters, which a terminal would obey."""
    if isinstance(value, dict):
        return {name: _clean(member) for name, member in value.items()}
    return printable(value) if isinstance(value, str) else value
