"""The delays of retries: a ladder whose last step repeats."""

import pytest

from trackpush_runtime.backoff import RetryDelays, delay_after


def test_each_failure_in_a_row_waits_for_the_next_delay_and_then_for_the_last_one_again() -> None:
    backoff = RetryDelays(0.1, 0.5, 2.0)

    assert [backoff.fail() for _ in range(5)] == [0.1, 0.5, 2.0, 2.0, 2.0]


def test_a_success_begins_with_the_first_delay_again() -> None:
    backoff = RetryDelays(0.1, 0.5)
    backoff.fail()
    backoff.fail()

    backoff.reset()

    assert (backoff.delay, backoff.fail()) == (0.0, 0.1)


def test_it_is_exhausted_when_each_delay_was_used_once() -> None:
    backoff = RetryDelays(0.1, 0.5)
    seen = []
    for _ in range(3):
        seen.append(backoff.is_exhausted)
        backoff.fail()

    assert seen == [False, False, True]


@pytest.mark.parametrize(("chance", "expected"), [(0.0, 0.8), (0.5, 1.0), (1.0, 1.2)])
def test_jitter_changes_a_delay_by_its_part_at_most(chance: float, expected: float) -> None:
    assert RetryDelays(1.0, jitter=0.2, chance=lambda: chance).fail() == pytest.approx(expected)


def test_the_pure_function_gives_the_same_ladder() -> None:
    assert [delay_after((1.0, 3.0), failures) for failures in (1, 2, 3)] == [1.0, 3.0, 3.0]
