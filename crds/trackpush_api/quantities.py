"""Quantities as people write them: durations (``500ms``, ``1m30s``, ``30d``) and sizes (``10Gi``)."""

import re
from decimal import Decimal
from functools import lru_cache

DURATION_PATTERN = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h|d))+$"
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


@lru_cache(maxsize=1024)
def seconds(text: str) -> float:
    """The seconds of a duration that matches `DURATION_PATTERN`.

    Raises:
        ValueError: the text doesn't match.
    """
    if re.fullmatch(DURATION_PATTERN, text) is None:
        raise ValueError(
            f"{text!r} is not a duration; write a number and a unit, such as 500ms, 10s, 1m30s, 72h or 30d"
        )
    return sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text))


_SIZE = re.compile(r"([0-9.]+(?:[eE][-+]?[0-9]+)?)([numkKMGTPE]i?)?")
_FACTORS = {"n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"), "k": Decimal(1000)} | {
    f"{letter}{binary}": Decimal(1024 if binary else 1000) ** power
    for power, letter in enumerate("KMGTPE", start=1)
    for binary in ("", "i")
}


def size_bytes(text: str) -> Decimal:
    """The bytes of a size in Kubernetes' notation: ``10Gi``, ``500M``, ``1e9``.

    Raises:
        ValueError: the text is not a size.
    """
    found = _SIZE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not a size; write a number and a unit, such as 10Gi")
    return Decimal(found[1]) * _FACTORS.get(found[2] or "", Decimal(1))
