"""The row of a status table for a code that no row matches, to paste into a definition."""

from collections.abc import Sequence
from typing import Final

from trackpush_aggregators.definition.rows import escaped, table_row
from trackpush_api.vocabulary import Status

_LONGEST_LABEL: Final = 100


def unknown_row(values: Sequence[str], label: str | None = None) -> str:
    """A line of YAML in ASCII with the status UNKNOWN, and the aggregator's words as a comment."""
    return table_row(values, Status.UNKNOWN, escaped((label or "")[:_LONGEST_LABEL]))
