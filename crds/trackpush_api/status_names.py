"""Finds statuses in filters and expressions that match nothing, and suggests the intended name. Pure.

A misspelt name is only a warning, because aggregators add codes, and a filter may name one that is not known yet.
"""

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from trackpush_api.aggregators import PROFILES
from trackpush_api.aggregators.profile import AggregatorProfile
from trackpush_api.expressions import compile_expression
from trackpush_api.suggestions import closest
from trackpush_api.vocabulary import AggregatorName, Direction, NdrReason, Status, slug_of

_MOST_CODES = 3
_MOST_NAMES = 4
_CLOSED: Final[Mapping[str, Sequence[str]]] = {
    "status.code": tuple(Status),
    "status.ndrReason": ("", *NdrReason),
    "shipment.direction": tuple(Direction),
    "type": tuple(f"shipment.{status.lower()}" for status in Status),
}
"""Variables of expressions whose possible values are all known."""


def objection_to_filter(text: str, aggregators: Iterable[AggregatorProfile]) -> str | None:
    """The reason why an entry of a PushConfig's ``filter.statuses`` probably matches nothing, or None."""
    known = list(aggregators)
    if text in set(Status) or any(each.meanings(text) for each in known):
        return None
    near = closest(text, (*Status, *(code for each in known for code in _names_in(each))))
    hint = f"did you mean {near}?" if near else "the canonical statuses are in docs/receiving-pushes.md"
    return f"{text!r} is neither a canonical status nor a known code of {_listed(known)}; {hint}"


def objection_to_account(text: str, facts: AggregatorProfile) -> str | None:
    """The reason why an entry of an AggregatorWebhook's ``statuses`` probably matches nothing, or None."""
    if facts.meanings(text):
        return None
    own = f"a code of {facts.aggregator}, which this list accepts"
    canonical = closest(text, Status)
    codes = facts.codes.get(Status(canonical), ()) if canonical else ()
    if codes:
        what = "a canonical status" if text == canonical else "not known"
        meant = ", ".join(repr(code) for code in codes[:_MOST_CODES])
        return f"{text!r} is {what} and not {own}; did you mean {meant} ({canonical})?"
    near = closest(text, _names_in(facts))
    hint = f"did you mean {near}?" if near else "compare it with the panel of the aggregator"
    return f"{text!r} is not known as {own}; {hint}"


def objections_to_expression(text: str, known: Mapping[AggregatorName, AggregatorProfile] = PROFILES) -> Iterator[str]:
    """Comparisons in a valid expression that can never be true."""
    compiled = compile_expression(text)
    closed = {**_CLOSED, "aggregator": tuple(map(slug_of, known))}
    for variable, function, literal in compiled.searches:
        values = closed.get(variable)
        if values is not None and function in _SEARCHES and _is_never(function, literal, values):
            yield f"{variable}.{function}({literal!r}) is never true; the values are {', '.join(filter(None, values))}"
    for variable, literal in compiled.comparisons:
        values = closed.get(variable)
        if values is not None and literal not in values:
            yield f"{variable} is never {literal!r}; {_meant(variable, literal, values, known)}"
        elif variable == "status.aggregatorCode" and literal in set(Status) and not _is_code(literal, known):
            yield f"status.aggregatorCode holds the aggregator's own code; did you mean status.code == {literal!r}?"


def _is_never(function: str, literal: str, values: Sequence[str]) -> bool:
    return not any(_SEARCHES[function](value, literal) for value in values)


_SEARCHES: Final[Mapping[str, Callable[[str, str], bool]]] = {
    "startsWith": str.startswith,
    "endsWith": str.endswith,
    "contains": operator.contains,
}


def _meant(
    variable: str, literal: str, values: Sequence[str], known: Mapping[AggregatorName, AggregatorProfile]
) -> str:
    if variable == "status.code":
        statuses = dict.fromkeys(status for facts in known.values() for status in facts.meanings(literal))
        if statuses:
            names = " or ".join(list(statuses)[:_MOST_CODES])
            return f"it is the aggregator's code: did you mean {names}, or status.aggregatorCode == {literal!r}?"
    near = closest(literal, values)
    return f"did you mean {near}?" if near else f"write one of {', '.join(filter(None, values))}"


def _is_code(text: str, known: Mapping[AggregatorName, AggregatorProfile]) -> bool:
    return any(facts.meanings(text) for facts in known.values())


def _names_in(facts: AggregatorProfile) -> Iterator[str]:
    """Codes that are words: numbers look alike, and patterns are not codes."""
    for codes in facts.codes.values():
        yield from (code for code in codes if not code.isdigit() and "*" not in code)


def _listed(aggregators: Sequence[AggregatorProfile]) -> str:
    names = [facts.aggregator for facts in aggregators]
    return " or ".join(names) if len(names) <= _MOST_NAMES else "any aggregator"
