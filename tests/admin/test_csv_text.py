"""CSV: no cell is a formula to a spreadsheet, and every other text comes back as it was."""

import csv
import io

from support.rows import every_row
from trackpush_server.admin import csv_text

CELLS = {
    "=1+1": "'=1+1",
    "+91 98": "'+91 98",
    "-5": "'-5",
    "@SUM(A1)": "'@SUM(A1)",
    "  =1": "'  =1",
    "\t=1": "'\t=1",
    "\uff1d1": "'\uff1d1",
    'a "quoted", text': 'a "quoted", text',
    "two\nlines": "two\nlines",
    "plain": "plain",
}


@every_row("text", CELLS)
def test_a_cell_is_data(text: str) -> None:
    (row,) = csv.reader(io.StringIO(csv_text.line([text, 1]), newline=""))
    assert row == [CELLS[text], "1"]


def test_numbers_booleans_and_missing_values_have_one_form() -> None:
    assert csv_text.line([None, True, False, 0, 2.5]) == ",true,false,0,2.5\r\n"
