"""Durations as people write them: ``500ms``, ``10s``, ``1m30s``, ``72h``, ``30d``."""

import re

DURATION_PATTERN = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h|d))+$"
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def seconds(text: str) -> float:
    """The seconds of a duration that matches `DURATION_PATTERN`.

    Raises:
        ValueError: it doesn't.
    """
    if re.fullmatch(DURATION_PATTERN, text) is None:
        raise ValueError(f"{text!r} is no duration; write a number and a unit, as 500ms, 10s, 1m30s, 72h or 30d")
    return sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text))
