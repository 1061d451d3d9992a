"""Guesses what members of a body mean whose names are not known: by the ends of their names, and by their texts."""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from trackpush_aggregators import written
from trackpush_aggregators.definition.guesses import NAMES, folded, guess_status, is_personal
from trackpush_aggregators.definition.leaves import Leaf, Lists
from trackpush_api.vocabulary import Status

_ENDINGS: Final[dict[str, tuple[str, ...]]] = {
    "awb": ("awb", "awbno", "awbnumber", "waybill", "waybillno", "waybillnumber", "trackingnumber", "trackingno"),
    "code": ("statuscode", "scancode", "status", "state", "milestone"),
    "time": ("timestamp", "datetime", "epoch", "time", "date"),
}
"""Ends of longer names, such as ``delivery_status``, without case and punctuation."""
_OTHER_TIMES: Final = re.compile(r"expect|estimat|promis|order|creat|edd|etd|eta|pickup|invoice|manifest")
"""In names of times that are not that of the event."""


_NUMBER: Final = re.compile(r"[A-Z]{0,4}[0-9]{6,20}[A-Z]{0,4}")
_NUMBERS: Final = ("id", "no", "number", "num")
"""Ends of names of numbers."""
_LONGEST_STATUS: Final = 64
"""Characters of a text that may be a status; a longer one is a sentence."""


def best_ending(leaves: Iterable[Leaf], field: str, *, lists: Sequence[Lists] | None = None) -> Leaf | None:
    """The first leaf whose name ends like one of the field; with ``lists``, only of these, the earlier ones first."""
    return _first(
        leaves, lists, lambda leaf: folded(leaf.name).endswith(_ENDINGS[field]) and not _is_other(leaf, field)
    )


def best_status_text(leaves: Iterable[Leaf], lists: Sequence[Lists]) -> Leaf | None:
    """The first leaf whose text suggests a status; only of these lists, the earlier ones first."""
    return _first(
        leaves, lists, lambda leaf: len(leaf.text) <= _LONGEST_STATUS and guess_status(leaf.text) != Status.UNKNOWN
    )


def best_time_text(leaves: Iterable[Leaf], lists: Sequence[Lists]) -> Leaf | None:
    """The first leaf whose text is a time; only of these lists, the earlier ones first. Digits alone do not count."""
    return _first(
        leaves,
        lists,
        lambda leaf: not leaf.text.isdigit() and written.read(leaf.text) is not None and not _is_other(leaf, "time"),
    )


def best_number(leaves: Iterable[Leaf]) -> Leaf | None:
    """The first leaf that looks like a number of a shipment: by its text, else by a name such as ``id``."""
    fitting = [leaf for leaf in leaves if not _is_time(leaf) and not is_personal(leaf)]
    found = next((leaf for leaf in fitting if _NUMBER.fullmatch(leaf.text)), None)
    return found or next(
        (leaf for leaf in fitting if folded(leaf.name).endswith(_NUMBERS) and re.search(r"[0-9]", leaf.text)), None
    )


def _is_time(leaf: Leaf) -> bool:
    return folded(leaf.name) in NAMES["time"] or folded(leaf.name).endswith(_ENDINGS["time"])


def _first(leaves: Iterable[Leaf], lists: Sequence[Lists] | None, fits: Callable[[Leaf], bool]) -> Leaf | None:
    fitting = [leaf for leaf in leaves if (lists is None or leaf.lists in lists) and fits(leaf)]
    return min(fitting, key=lambda leaf: 0 if lists is None else lists.index(leaf.lists), default=None)


def _is_other(leaf: Leaf, field: str) -> bool:
    return field == "time" and _OTHER_TIMES.search(folded(leaf.name)) is not None
