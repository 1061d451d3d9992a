"""The work queue: each key once at a time, failures later, lanes in turn."""

import asyncio

import pytest

from trackpush_operator.reconcile.workqueue import WorkQueue, delay_after, work

Key = tuple[str, int]


def make() -> WorkQueue[Key]:
    return WorkQueue(lambda key: key[0], jitter=lambda: 0.0)


async def drain(queue: WorkQueue[Key], count: int) -> list[Key]:
    taken = []
    for _ in range(count):
        key = await queue.take()
        taken.append(key)
        queue.done(key)
    return taken


async def test_equal_keys_merge() -> None:
    queue = make()
    for _ in range(3):
        queue.add(("a", 1))
    assert await drain(queue, 1) == [("a", 1)]
    assert queue.is_idle


async def test_a_tenant_with_many_changes_costs_another_one_a_single_turn() -> None:
    queue = make()
    for number in range(1000):
        queue.add(("busy", number))
    queue.add(("quiet", 1))
    assert ("quiet", 1) in await drain(queue, 2)


async def test_a_key_added_while_it_is_worked_on_is_worked_on_again_and_never_twice_at_once() -> None:
    queue = make()
    queue.add(("a", 1))
    assert await queue.take() == ("a", 1)
    queue.add(("a", 1))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await queue.take()
    queue.done(("a", 1))
    assert await drain(queue, 1) == [("a", 1)]


async def test_a_failed_key_comes_again_later_and_new_news_bring_it_at_once() -> None:
    queue = make()
    queue.add(("a", 1))
    await queue.take()
    assert queue.failed(("a", 1)) == delay_after(1, 0.0)
    assert queue.is_idle
    assert len(queue) == 1
    queue.add(("a", 1))
    assert await drain(queue, 1) == [("a", 1)]
    assert len(queue) == 0


async def test_news_during_a_failing_attempt_bring_it_again_at_once() -> None:
    queue = make()
    queue.add(("a", 1))
    await queue.take()
    queue.add(("a", 1))
    queue.failed(("a", 1))
    assert await drain(queue, 1) == [("a", 1)]


async def test_the_sooner_of_two_delays_wins() -> None:
    queue = make()
    queue.add(("a", 1), delay=60)
    queue.add(("a", 1), delay=0.01)
    queue.add(("a", 1), delay=30)
    async with asyncio.timeout(2):
        assert await drain(queue, 1) == [("a", 1)]
    assert len(queue) == 0


def test_delays_grow_to_a_bound_and_vary() -> None:
    delays = [delay_after(failures, 0.5) for failures in range(1, 40)]
    assert delays == sorted(delays)
    assert delays[0] == 0.5
    assert delays[-1] == 300
    assert delay_after(1, 1.0) > delay_after(1, 0.0)


async def test_one_keys_trouble_is_never_anothers() -> None:
    queue = make()
    done: list[Key] = []
    failures: list[Key] = []

    async def handle(key: Key) -> None:
        await asyncio.sleep(0)
        if key == ("broken", 1):
            raise ValueError("no")
        done.append(key)

    queue.add(("broken", 1))
    queue.add(("good", 1))
    task = asyncio.create_task(work(queue, handle, lambda key, _: failures.append(key)))
    await queue.until_idle()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert (done, failures) == ([("good", 1)], [("broken", 1)])


async def test_a_stalled_queue_is_reported_only_while_there_is_work() -> None:
    queue = make()
    assert queue.stalled() == 0
    queue.add(("a", 1))
    await queue.take()
    await asyncio.sleep(0.02)
    assert queue.stalled() > 0.01
    queue.done(("a", 1))
    assert queue.stalled() == 0


async def test_what_fails_keeps_its_age_and_what_goes_well_has_none() -> None:
    queue = make()
    assert queue.age() == 0.0
    queue.add(("a", 1))
    queue.add(("a", 2), delay=60)
    assert await queue.take() == ("a", 1)
    queue.failed(("a", 1))
    before = queue.age()
    assert before > 0.0, "it is still to be done, although it is due later only"
    queue.hurry()
    assert await queue.take() == ("a", 1)
    assert queue.age() >= before
    queue.done(("a", 1))
    assert queue.age() == 0.0, "what was never due counts from when it is"
