"""Writes rows of a status table as YAML in ASCII, whatever an aggregator sent."""

import json
import re
from collections.abc import Sequence
from typing import Final

from trackpush_aggregators.definition.statuses import ANY
from trackpush_api.vocabulary import Status

_LONGEST: Final = 128
"""Characters of a pattern."""


def quoted(text: str) -> str:
    """The text in double quotes, as YAML reads it, in ASCII."""
    return re.sub(r"[^ -~]", lambda match: f"\\U{ord(match[0]):08x}", json.dumps(text, ensure_ascii=False))


def escaped(text: str) -> str:
    """The text on one line in ASCII, for a comment."""
    return quoted(text)[1:-1]


def table_row(values: Sequence[str], status: Status, comment: str = "") -> str:
    """The row that matches these values of the status; ``comment`` is ASCII on one line."""
    patterns = [quoted(_pattern(value)) for value in values]
    when = patterns[0] if len(patterns) == 1 else f"[{', '.join(patterns)}]"
    return f"- {{when: {when}, status: {status.value}}}" + (f" # {comment}" if comment else "")


def _pattern(value: str) -> str:
    """A pattern that matches the value. A pattern can only end in ``*``, so it ends at the first one of the value."""
    before, star, after = value.partition(ANY)
    if star and after:
        value = f"{before}{ANY}"
    return value if len(value) <= _LONGEST else f"{value[: _LONGEST - 1]}{ANY}"
