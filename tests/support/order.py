"""Runs the tests in a random order, to find a test that depends on another: ``TRACKPUSH_SHUFFLE=1 make unit``.

The head of the output shows the seed; ``TRACKPUSH_SHUFFLE`` with this seed repeats the order.
"""

import os
import random
from collections.abc import Iterable, Sequence

import pytest

VARIABLE = "TRACKPUSH_SHUFFLE"
_ANY = "1"


def pytest_configure() -> None:
    """Choose the seed in the first process: the others inherit its environment, and must have the same order."""
    if os.environ.get(VARIABLE) == _ANY:
        os.environ[VARIABLE] = str(random.SystemRandom().randrange(10, 10**6))


def pytest_report_header() -> str | None:
    """Show the seed."""
    seed = os.environ.get(VARIABLE)
    return f"random order: {VARIABLE}={seed}" if seed else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Shuffle, if a seed is given."""
    seed = os.environ.get(VARIABLE)
    if seed:
        items[:] = shuffled(items, seed)


def shuffled(items: Iterable[pytest.Item], seed: str) -> Sequence[pytest.Item]:
    """The files in a random order, and the tests of each: they share its fixtures, so they stay together."""
    files: dict[object, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    drawn = random.Random(seed)  # noqa: S311  repeatable, not secret
    groups = list(files.values())
    drawn.shuffle(groups)
    for group in groups:
        drawn.shuffle(group)
    return [item for group in groups for item in group]
