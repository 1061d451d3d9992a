"""Prints the report for people."""

from collections.abc import Sequence

from trackpush_api.plurals import counted
from trackpush_cli.doctor.outcome import CheckResult
from trackpush_cli.output import print_table, say

_MARKS = {"ok": "ok", "warn": "WARN", "fail": "FAIL"}


def show(found: Sequence[CheckResult]) -> None:
    """Print one line per check; below the table, the advice and the number of failures."""
    print_table(
        ("RESULT", "CHECK", "OF", "FOUND"),
        [(_MARKS[outcome.result], outcome.check, outcome.subject, outcome.message) for outcome in found],
    )
    advised = [outcome for outcome in found if outcome.advice is not None]
    if advised:
        say()
        rows = [(_MARKS[outcome.result], outcome.subject, outcome.advice or "") for outcome in advised]
        print_table(("RESULT", "OF", "WHAT TO DO"), rows)
    counts = {mark: sum(outcome.result == mark for outcome in found) for mark in _MARKS}
    say()
    say(f"{counts['ok']} ok, {counted(counts['warn'], 'warning')}, {counts['fail']} failed")
