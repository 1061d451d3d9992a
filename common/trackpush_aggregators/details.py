"""Reads what few aggregators report: attempts, quality checks and proofs of delivery, in each of their spellings."""

from typing import Any, Final

from trackpush_aggregators.canonical import LINK_LENGTH
from trackpush_aggregators.values import integer, text
from trackpush_api.vocabulary import QcResult

_MOST_ATTEMPTS: Final = 1000
_SCHEMES: Final = ("http://", "https://")
_QC_RESULTS: Final = {
    **dict.fromkeys(("p", "pass", "passed", "success", "true", "yes", "y", "1"), QcResult.PASSED),
    **dict.fromkeys(("f", "fail", "failed", "failure", "false", "no", "n", "0"), QcResult.FAILED),
}


def attempt(value: Any) -> int | None:
    """The number of the attempt; None for anything else, 0 included."""
    number = integer(value)
    return number if number is not None and 0 < number <= _MOST_ATTEMPTS else None


def qc_result(value: Any) -> QcResult | None:
    """The result of a quality check: "P", "passed", 1, true and their opposites."""
    written = str(value) if isinstance(value, bool) else text(value)
    return None if written is None else _QC_RESULTS.get(written.lower())


def verified(value: Any) -> bool | None:
    """Whether something was verified: "Y", 1, true and their opposites."""
    result = qc_result(value)
    return None if result is None else result is QcResult.PASSED


def reasons(value: Any) -> list[str]:
    """Reasons in a list, or in a text separated by commas, each once."""
    given = value if isinstance(value, list) else (text(value) or "").split(",")
    return list(dict.fromkeys(reason for each in given if (reason := text(each)) is not None))


def link(value: Any) -> str | None:
    """A link, http or https. Longer ones are dropped, because a link that was cut leads nowhere."""
    written = text(value)
    if written is None or len(written) > LINK_LENGTH or not written.isprintable() or " " in written:
        return None
    return written if written.lower().startswith(_SCHEMES) else None
