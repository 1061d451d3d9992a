"""The row of a status table for a code that no row matches, to paste into a definition."""

from collections.abc import Sequence
from typing import Final

from trackpush_aggregators.definition.draft_text import quoted
from trackpush_aggregators.definition.statuses import ANY
from trackpush_api.vocabulary import Status

_LONGEST: Final = 128
"""Characters of a pattern."""
_LONGEST_LABEL: Final = 100


def unknown_row(values: Sequence[str], label: str | None = None) -> str:
    """A line of YAML in ASCII with the status UNKNOWN, and the aggregator's words as a comment."""
    patterns = [quoted(_pattern(value)) for value in values]
    when = patterns[0] if len(patterns) == 1 else f"[{', '.join(patterns)}]"
    comment = "" if label is None else f" # {quoted(label[:_LONGEST_LABEL])[1:-1]}"
    return f"- {{when: {when}, status: {Status.UNKNOWN.value}}}{comment}"


def _pattern(value: str) -> str:
    """A pattern that matches the value. A pattern can only end in ``*``, so it ends at the first one of the value."""
    before, star, after = value.partition(ANY)
    if star and after:
        value = f"{before}{ANY}"
    return value if len(value) <= _LONGEST else f"{value[: _LONGEST - 1]}{ANY}"
