"""The row to paste: YAML that means what arrived, whatever a sender put into it."""

import pytest
import yaml

from trackpush_aggregators.definition.faults import FaultList
from trackpush_aggregators.definition.statuses import status_table
from trackpush_aggregators.definition.unknown_row import unknown_row
from trackpush_api.kinds.aggregator_definition import StatusRow
from trackpush_api.vocabulary import Status

HOSTILE = (
    "X", "", "Y", "no", "13", "1e3", "a: b", "# no comment", '"', "\\", "'", "{}", "[a, b]", "%", "@x", "- x",
    "line\nbreak", "tab\there", "\x1b[31m", "\u202eRTL", "\u05e9\u05dc\u05d5\u05dd", "<script>", "\U0001f4e6", "\x01",
    "\x85", "\u2028", "\ufeff", "*", "**", "a*", "a*b", "*a", "x" * 128, "x" * 129, "x" * 256, "y" * 200 + "*",
    "a/b", "{{ x }}",
)  # fmt: skip


@pytest.mark.parametrize("value", HOSTILE, ids=ascii)
@pytest.mark.parametrize("values", [1, 2])
def test_the_row_is_one_line_of_ascii_that_the_model_accepts_and_that_matches_what_arrived(
    value: str, values: int
) -> None:
    reported = (value, "X")[:values]
    text = unknown_row(reported, value)

    assert text.isascii()
    assert text.isprintable()
    (written,) = yaml.safe_load(text)
    row = StatusRow.model_validate(written)
    faults = FaultList()
    found = status_table([row], values, faults).find(reported)
    assert faults.found == []
    assert found is not None
    assert found.status is Status.UNKNOWN


def test_the_row_is_written_as_in_the_docs() -> None:
    assert unknown_row(("RT", "X"), "Gone back") == '- {when: ["RT", "X"], status: UNKNOWN} # Gone back'
    assert unknown_row(("X",)) == '- {when: "X", status: UNKNOWN}'
