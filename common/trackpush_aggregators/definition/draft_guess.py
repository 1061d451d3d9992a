"""Guesses the parts of a definition from one body."""

import re
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from trackpush_aggregators import written
from trackpush_aggregators.definition.fallback_guesses import (
    best_ending,
    best_number,
    best_status_text,
    best_time_text,
)
from trackpush_aggregators.definition.guesses import best, folded, is_personal
from trackpush_aggregators.definition.leaves import Leaf, Lists, first_object, leaves
from trackpush_aggregators.definition.moments import Formats

_FORMATS: Final = (
    "%d-%m-%Y %H%M", "%d/%m/%Y %H%M", "%Y-%m-%d %H%M", "%d%m%Y %H%M", "%d%m%Y %H%M%S", "%d%m%Y%H%M%S", "%d%m%Y%H%M",
    "%d%m%Y", "%Y/%d/%m %H:%M:%S", "%d-%m-%y %H%M",
)  # fmt: skip
"""Formats that are not read without being named."""
_OTHERS: Final = ("orderId", "courier", "remark", "location", "estimatedDelivery")
_MOST_REDACTED: Final = 32
_NO_NAMES: Final = frozenset({"body", "in", "as", "true", "false", "null", "yes", "no", "on", "off", "y", "n"})


class UndraftableError(ValueError):
    """No definition can be drafted; the message says why and what to do."""


class DraftGuess(NamedTuple):
    """What the members of a body probably mean. Paths begin with ``body`` or the element of a step."""

    steps: tuple[tuple[str, str], ...]
    """Variables, and the paths of their lists."""
    fields: dict[str, str]
    code: str | None
    """None if no member looks like a status."""
    label: str | None
    time: tuple[str, ...]
    format: str | None
    zoned: bool
    redact: tuple[str, ...]


def guess_parts(document: Any) -> DraftGuess:
    """What the members of a body probably mean.

    Raises:
        UndraftableError: no member can name a shipment.
    """
    found = leaves(first_object(document))
    named = best(found, "awb") or best_ending(found, "awb") or best(found, "orderId") or best_number(found)
    if named is None:
        raise UndraftableError(_without_number(found))
    inner = dict.fromkeys(leaf.lists for leaf in found if leaf.lists[: len(named.lists)] == named.lists)
    around = [*dict.fromkeys((named.lists, *inner)), *_prefixes(named.lists)[1:]]
    others = [leaf for leaf in found if leaf is not named]
    code = best(others, "code", lists=around, near=named) or best_ending(others, "code", lists=around)
    code = code or best_status_text(others, around)
    lists = max(named.lists, () if code is None else code.lists, key=len)
    reachable = _prefixes(lists)
    its_lists = named.lists if code is None else code.lists
    label = best([leaf for leaf in others if not _is_named_like(leaf, code)], "label", lists=[its_lists], near=code)
    around = [its_lists, *reachable]
    time = best(others, "time", lists=around, near=code or named) or best_ending(others, "time", lists=around)
    time = time or best_time_text([leaf for leaf in others if leaf is not code], around)
    times = () if time is None else _time_parts(found, time)
    text = " ".join(leaf.text for leaf in times)
    steps = _steps(lists)
    variables = ["body", *(variable for variable, _ in steps)]
    paths = _Paths(variables, lists)
    fields = {"awb" if best([named], "awb") or not best([named], "orderId") else "orderId": paths.of(named)}
    for field in _OTHERS:
        leaf = best(found, field, lists=reachable)
        if leaf is not None and leaf is not named:
            fields.setdefault(field, paths.of(leaf))
    return DraftGuess(
        steps=steps,
        fields=fields,
        code=None if code is None else paths.of(code),
        label=None if label is None else paths.of(label),
        time=tuple(map(paths.of, times)),
        format=_format(text),
        zoned=not text or _is_zoned(text),
        redact=tuple(dict.fromkeys(paths.of(leaf) for leaf in found if is_personal(leaf)))[:_MOST_REDACTED],
    )


def _is_named_like(leaf: Leaf, other: Leaf | None) -> bool:
    return other is not None and folded(leaf.name) == folded(other.name)


def _without_number(found: Sequence[Leaf]) -> str:
    for leaf in found:
        if leaf.text.lstrip()[:1] in {"{", "["}:
            return f"the text of {leaf.name!r} looks like JSON, which a definition can't read"
    return "no member looks like the number of a shipment; use a body that reports a shipment's status"


def _prefixes(lists: Lists) -> list[Lists]:
    """The lists themselves, and those around, from the inside to the outside."""
    return [lists[:depth] for depth in range(len(lists), -1, -1)]


class _Paths:
    """Writes the paths of leaves, from the element of the innermost step."""

    def __init__(self, variables: Sequence[str], lists: Lists) -> None:
        self._variables = variables
        self._lists = lists

    def of(self, leaf: Leaf) -> str:
        depth = 0
        while depth < len(self._lists) and leaf.lists[: depth + 1] == self._lists[: depth + 1]:
            depth += 1
        return self._variables[depth] + "".join(leaf.lists[depth:]) + leaf.path


def _steps(lists: Lists) -> tuple[tuple[str, str], ...]:
    """A variable and the path of the list, for each list."""
    steps: list[tuple[str, str]] = []
    for path in lists:
        outer = steps[-1][0] if steps else "body"
        word = re.sub(r"[^a-z]", "", re.split(r"[.\[]", path)[-1].lower())
        taken = {"body", *(variable for variable, _ in steps)}
        name = next(each for each in (_singular(word), *(f"item{number}" for number in range(9))) if each not in taken)
        steps.append((name, outer + path))
    return tuple(steps)


def _singular(word: str) -> str:
    name = word.removesuffix("s") if len(word) > len("ss") else word
    return name if name and name not in _NO_NAMES else "item"


def _time_parts(found: Sequence[Leaf], time: Leaf) -> tuple[Leaf, ...]:
    """The date and the time of day, if they are two members."""
    name = folded(time.name)
    for part, other in (("date", "time"), ("time", "date")):
        if part not in name:
            continue
        wanted = name.replace(part, other)
        pair = next((leaf for leaf in found if leaf.lists == time.lists and folded(leaf.name) == wanted), None)
        if pair is not None and not (_has_day(time.text) and _has_day(pair.text)):
            return (time, pair) if part == "date" else (pair, time)
    return (time,)


def _has_day(text: str) -> bool:
    return written.read(text) is not None or _format(text) is not None


def _format(text: str) -> str | None:
    """The format of a time that is not read without one; None if none is needed, or none is known."""
    if not text or written.read(text) is not None:
        return None
    return next((form for form in _FORMATS if Formats([form]).read(text) is not None), None)


def _is_zoned(text: str) -> bool:
    found = written.read(text)
    return found is not None and (found.absolute or found.offset is not None)
