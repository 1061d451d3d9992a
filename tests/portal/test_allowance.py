"""Each name has its own allowance, which fills up again with time."""

from trackpush_server.portal.allowance import Allowance


def test_a_burst_is_followed_by_the_rate() -> None:
    allowance = Allowance(rate=2, burst=3)
    assert [allowance.take("a", 0.0) for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]
    assert allowance.take("a", 0.5) == 0.0
    assert allowance.take("a", 0.5) == 0.5
    assert allowance.take("b", 0.5) == 0.0


def test_no_pause_saves_more_than_a_burst_and_a_clock_that_goes_back_gives_nothing() -> None:
    allowance = Allowance(rate=1, burst=2)
    assert [allowance.take("a", 1000.0) for _ in range(3)] == [0.0, 0.0, 1.0]
    assert allowance.take("a", 5.0) > 0.0


def test_a_flood_of_names_is_forgotten_and_uses_no_more_memory() -> None:
    allowance = Allowance(rate=1, burst=1)
    for number in range(20_000):
        allowance.take(str(number), 0.0)
    assert len(allowance._left) == 10_000
