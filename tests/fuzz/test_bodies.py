"""Whatever body comes with a key, a server takes it or refuses it, and can push and show whatever it took.

`make long` tries a million bodies for each aggregator, and CI ten thousand (``TRACKPUSH_FUZZ``). Inputs that failed
once are in the folder `corpus` and are always tried.
"""

import os
import random
from collections import Counter
from pathlib import Path

import pytest

from fuzz.campaign import CORPUS, Outcome, keep, kept, run, run_in_processes
from fuzz.journey import Journey
from fuzz.mutation import Bodies
from support.examples import examples
from trackpush_api.vocabulary import Aggregator

MANY = int(os.environ.get("TRACKPUSH_FUZZ") or 1_000_000)
SURE = 1000
"""So many bodies reach every outcome."""
FEW = examples(SURE)
LEAST_SHARE = 0.3
"""Of bodies that hold updates: fuzzing that is nearly always refused shows little."""
KEPT = sorted(path for path in CORPUS.glob("*/*") if path.parent.name in {each.slug for each in Aggregator})


@pytest.fixture
def seed() -> int:
    chosen = int(os.environ.get("TRACKPUSH_SEED") or random.SystemRandom().randrange(10**6))
    print(f"TRACKPUSH_SEED={chosen}")  # noqa: T201  shown when it fails, to run it again
    return chosen


@pytest.mark.parametrize("path", KEPT, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_bodies_that_failed_once_are_taken_or_refused(path: Path) -> None:
    Journey(next(each for each in Aggregator if each.slug == path.parent.name)).follow(kept(path), pages=True)


@pytest.mark.parametrize("aggregator", Aggregator)
def test_fuzzed_bodies_are_taken_or_refused(aggregator: Aggregator, seed: int) -> None:
    _check(aggregator, run(aggregator, seed, FEW), FEW)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("aggregator", Aggregator)
def test_very_many_fuzzed_bodies_are_taken_or_refused(
    aggregator: Aggregator, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = run_in_processes(aggregator, seed, MANY)

    with capsys.disabled():
        each = outcome.cpu_seconds / MANY * 1e6
        print(  # noqa: T201  the figures are for people
            f"\n{aggregator}: TRACKPUSH_SEED={seed}, {_shown(outcome.counts)}, {each:.0f} us of CPU for each body"
        )
    _check(aggregator, outcome, MANY)


def test_the_same_seed_gives_the_same_bodies() -> None:
    first, second = iter(Bodies(Aggregator.CLICKPOST, 7)), iter(Bodies(Aggregator.CLICKPOST, 7))
    assert [next(first) for _ in range(100)] == [next(second) for _ in range(100)]


def _check(aggregator: Aggregator, outcome: Outcome, count: int) -> None:
    assert not outcome.failures, "\n".join(
        f"kept as {keep(aggregator, failed)}, commit it:\n{failed.error}" for failed in outcome.failures
    )
    assert sum(outcome.counts.values()) >= count
    assert outcome.counts["updates"] > LEAST_SHARE * count, _shown(outcome.counts)
    assert count < SURE or set(outcome.counts) == {"updates", "probe", "unrecognised", "refused"}, "not every outcome"


def _shown(counts: Counter[str]) -> str:
    return ", ".join(f"{number:,} {name}" for name, number in counts.most_common())
