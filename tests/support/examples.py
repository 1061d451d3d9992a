"""How many examples a test with generated ones tries: in `make unit`, a fifth of those in `make test`."""

import os
from typing import Final

_SHARE: Final = float(os.environ.get("TRACKPUSH_EXAMPLES") or 1)
_FEWEST: Final = 10


def examples(number: int) -> int:
    """The share of ``number`` that the environment asks for."""
    return max(round(number * _SHARE), min(number, _FEWEST))
