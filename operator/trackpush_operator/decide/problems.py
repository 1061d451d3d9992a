"""Turns problems of compiling into the conditions Accepted and ResolvedRefs."""

from collections.abc import Sequence

from trackpush_api.problems import NOTIFYING, Problem, Severity
from trackpush_operator.decide.conditions import Finding

_MOST = 5


def found_in(problems: Sequence[Problem], condition: str) -> Finding | None:
    """False with the first problem's reason and the texts of all; None if there is no problem for this condition."""
    mine = [problem for problem in problems if problem.condition == condition]
    if not mine:
        return None
    assert mine[0].reason is not None
    return Finding(condition, "False", mine[0].reason.value, _texts(mine))


def not_notifying(problems: Sequence[Problem]) -> tuple[Finding, ...]:
    """A condition that exists only while a notification can't be sent. Pushes don't depend on it."""
    found = found_in(problems, NOTIFYING)
    return () if found is None else (found,)


def hints(problems: Sequence[Problem]) -> str:
    """The texts of warnings."""
    return _texts(
        [problem for problem in problems if problem.condition is None and problem.severity is Severity.WARNING]
    )


def _texts(problems: Sequence[Problem]) -> str:
    more = len(problems) - _MOST
    texts = [
        f"{problem.field}: {problem.message}" if problem.field else problem.message for problem in problems[:_MOST]
    ]
    return "; ".join([*texts, *([f"and {more} more"] if more > 0 else [])])
