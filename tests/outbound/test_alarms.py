"""Alarms: on time, movable, one timer for all, and none is kept for a connection that is gone."""

import asyncio
import gc
import weakref

import pytest

from trackpush_server.outbound.alarms import STEP, Alarms


class Sleeper:
    """Notes when it was woken."""

    def __init__(self) -> None:
        self.woken: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    def wake(self) -> None:
        loop = asyncio.get_running_loop()
        self.woken.set_result(loop.time())


class Failing(Sleeper):
    """Fails when woken."""

    def wake(self) -> None:
        super().wake()
        raise RuntimeError("this one can't be woken")


async def test_nobody_is_woken_early_nor_more_than_a_step_late() -> None:
    alarms, now = Alarms(), asyncio.get_running_loop().time()
    wanted = [(now + number / 100, Sleeper()) for number in (31, 7, 12, 7, 0, 22)]
    for when, sleeper in wanted:
        alarms.set(when, sleeper)
    await asyncio.gather(*(sleeper.woken for _, sleeper in wanted))
    for when, sleeper in wanted:
        late = sleeper.woken.result() - when
        assert 0 <= late < STEP + 2, "the second part is for a busy machine"


async def test_an_alarm_that_was_taken_back_wakes_nobody() -> None:
    alarms, now = Alarms(), asyncio.get_running_loop().time()
    moved, kept = Sleeper(), Sleeper()
    step = alarms.set(now + 0.01, moved)
    alarms.set(now + 0.01, kept)
    alarms.take_back(step, moved)
    alarms.set(now + 2 * STEP, moved)
    await kept.woken
    assert not moved.woken.done()
    assert await moved.woken >= now + 2 * STEP


async def test_taking_back_what_has_rung_does_nothing() -> None:
    alarms, sleeper = Alarms(), Sleeper()
    step = alarms.set(0.0, sleeper)
    await sleeper.woken
    alarms.take_back(step, sleeper)


async def test_who_is_woken_may_set_the_next_alarm_and_take_back_anothers() -> None:
    alarms, now = Alarms(), asyncio.get_running_loop().time()
    pair: list[Sleeper] = []

    class First(Sleeper):
        def wake(self) -> None:
            if not self.woken.done():
                super().wake()
                for sleeper in pair:
                    alarms.take_back(step, sleeper)
                alarms.set(now + 3 * STEP, last)

    pair += [First(), First()]
    last = Sleeper()
    steps = {alarms.set(now, sleeper) for sleeper in pair}
    (step,) = steps
    await last.woken
    assert sum(sleeper.woken.done() for sleeper in pair) == 1, "whichever came first took back the other's"


async def test_one_that_fails_keeps_nobody_else_asleep() -> None:
    loop, told = asyncio.get_running_loop(), []
    loop.set_exception_handler(lambda _, context: told.append(context["exception"]))
    alarms, now = Alarms(), loop.time()
    sleepers = [Sleeper(), Failing(), Failing(), Sleeper()]
    for sleeper in sleepers:
        alarms.set(now, sleeper)
    alarms.set(now + 2 * STEP, last := Sleeper())
    await asyncio.gather(last.woken, *(sleeper.woken for sleeper in sleepers))
    assert [str(error) for error in told] == ["this one can't be woken"] * 2


async def test_ten_thousand_alarms_are_one_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    made: list[float] = []
    call_at = loop.call_at
    monkeypatch.setattr(loop, "call_at", lambda when, *rest: made.append(when) or call_at(when, *rest))
    alarms, now = Alarms(), loop.time()
    sleepers = [Sleeper() for _ in range(10_000)]
    for number, sleeper in enumerate(sleepers):
        alarms.set(now + 5 + number / 1000, sleeper)
    assert len(made) == 1


async def test_a_connection_that_took_its_alarm_back_is_let_go() -> None:
    alarms, sleeper = Alarms(), Sleeper()
    alarms.take_back(alarms.set(asyncio.get_running_loop().time() + 60, sleeper), sleeper)
    gone = weakref.ref(sleeper)
    del sleeper
    gc.collect()
    assert gone() is None
