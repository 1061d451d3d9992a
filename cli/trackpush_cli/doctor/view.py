"""The report for people."""

from collections.abc import Sequence

from trackpush_cli.doctor.outcome import Outcome
from trackpush_cli.output import counted, print_table, say

_MARKS = {"ok": "ok", "warn": "WARN", "fail": "FAIL"}


def show(found: Sequence[Outcome]) -> None:
    """A line a check; under the table what to do, and how many failed."""
    print_table(
        ("RESULT", "CHECK", "OF", "FOUND"), [(_MARKS[one.result], one.check, one.subject, one.message) for one in found]
    )
    advised = [one for one in found if one.advice is not None]
    if advised:
        say()
        rows = [(_MARKS[one.result], one.subject, one.advice or "") for one in advised]
        print_table(("RESULT", "OF", "WHAT TO DO"), rows)
    counts = {mark: sum(one.result == mark for one in found) for mark in _MARKS}
    say()
    say(f"{counts['ok']} ok, {counted(counts['warn'], 'warning')}, {counts['fail']} failed")
