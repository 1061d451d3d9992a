"""What the aggregator and the operator see while nothing can be stored."""

from support.deadline import until
from support.load import Aggregator, Post
from support.server import Probe, ServerProcess
from support.sink import Sink


async def post_until_refused(aggregator: Aggregator, *, first: int, most: int) -> Post:
    """Post until an answer is not 200; returns that one.

    Raises:
        AssertionError: all were accepted.
    """
    for mark in range(first, first + most):
        post = await aggregator.post(mark)
        if post.status != 200:
            return post
    raise AssertionError(f"{most} updates were accepted although nothing could be stored any more")


def assert_asked_to_come_back(post: Post) -> None:
    """The aggregator was told 503, and when to try again."""
    assert post.status == 503, post
    assert post.retry_after is not None
    assert 1 <= int(post.retry_after) <= 300


async def assert_unready(server: ServerProcess, *, says: str) -> Probe:
    """/readyz turns unready and says why, the log too, and /livez stays well: a restart would not help."""
    probe = await server.until_ready(ready=False, seconds=10)
    assert probe.status == 503, probe
    assert says in probe.text.lower(), probe
    assert any(says in str(line).lower() for line in server.log), server.tail()
    assert (await server.probe("/livez")).status == 200
    return probe


async def assert_all_pushed_once(aggregator: Aggregator, sink: Sink) -> None:
    """Everything that was answered with 200 arrives, and nothing twice."""
    await until(
        lambda: aggregator.accepted <= sink.marks,
        seconds=15,
        what=lambda: f"lost: {len(aggregator.accepted - sink.marks)} of {len(aggregator.accepted)} accepted updates",
    )
    repeated = {mark: len(arrivals) for mark, arrivals in sink.by_mark().items() if len(arrivals) > 1}
    assert not repeated, f"arrived more than once: {repeated}"
