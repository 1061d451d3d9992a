"""What happened lately, for people: the last hour in steps, of the whole server and of each PushConfig.

/metrics counts for ever and needs a Prometheus beside it to be read; a support person at 2 a.m. may have none. Only
steps in which something happened are kept, and only so many PushConfigs, so that memory is bounded.
"""

import time
from bisect import bisect_left
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence

import msgspec

SPAN_SECONDS = 3600
MOST_PUSH_CONFIGS = 2000
"""Of those beyond it, the ones that were quiet the longest are forgotten."""
_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Seconds of an attempt; a quantile is the upper bound of its class."""


class Step(msgspec.Struct):
    """What happened in one step of time."""

    number: int
    """Of the step since the epoch."""
    received: int = 0
    attempts: int = 0
    failed: int = 0
    delivered: int = 0
    dead: int = 0
    pending: int = 0
    """When last looked at in this step."""
    queue_age: float = 0.0
    """Seconds since the oldest pending push was received, the same."""
    durations: list[int] = msgspec.field(default_factory=lambda: [0] * (len(_BOUNDS) + 1))


class Point(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One step, as charts show it. Rates per second, times in seconds; quantiles are None where nothing was tried."""

    at: int
    """Begin of the step, seconds since the epoch."""
    received: float
    attempts: float
    failed: float
    delivered: float
    p50: float | None
    p99: float | None
    pending: int
    queue_age: float


class Summary(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The last hour of attempts and ends, added up."""

    seconds: int
    attempts: int
    failed: int
    delivered: int
    dead: int
    success_rate: float | None
    """Attempts that were accepted, 0 to 1; None where none was made."""
    p50: float | None
    """Seconds of an attempt."""
    p99: float | None


class Ring:
    """The steps of one line."""

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds
        self._most = SPAN_SECONDS // seconds
        self._steps: deque[Step] = deque()

    def step(self, now: float) -> Step:
        """The current step."""
        number = int(now) // self.seconds
        steps = self._steps
        if not steps or steps[-1].number < number:
            last = steps[-1] if steps else None
            steps.append(Step(number) if last is None else Step(number, pending=last.pending, queue_age=last.queue_age))
            while steps[0].number <= number - self._most:
                steps.popleft()
        return steps[-1]

    def points(self, now: float) -> tuple[Point, ...]:
        """Every step of the span, the current one too; what was quiet is zero."""
        last = int(now) // self.seconds
        known = {step.number: step for step in self._steps}
        points, waiting = [], Step(0)
        for number in range(last - self._most + 1, last + 1):
            step = known.get(number)
            waiting = waiting if step is None else step
            points.append(self._point(step or Step(number, pending=waiting.pending, queue_age=waiting.queue_age)))
        return tuple(points)

    def summary(self, now: float) -> Summary:
        """All steps of the span, added up."""
        first = int(now) // self.seconds - self._most
        steps = [step for step in self._steps if step.number > first]
        durations = [sum(column) for column in zip(*(step.durations for step in steps), strict=True)]
        attempts, failed = sum(step.attempts for step in steps), sum(step.failed for step in steps)
        return Summary(
            seconds=SPAN_SECONDS,
            attempts=attempts,
            failed=failed,
            delivered=sum(step.delivered for step in steps),
            dead=sum(step.dead for step in steps),
            success_rate=(attempts - failed) / attempts if attempts else None,
            p50=quantile(durations, 0.5),
            p99=quantile(durations, 0.99),
        )

    def _point(self, step: Step) -> Point:
        return Point(
            at=step.number * self.seconds,
            received=step.received / self.seconds,
            attempts=step.attempts / self.seconds,
            failed=step.failed / self.seconds,
            delivered=step.delivered / self.seconds,
            p50=quantile(step.durations, 0.5),
            p99=quantile(step.durations, 0.99),
            pending=step.pending,
            queue_age=step.queue_age,
        )


def quantile(counts: Sequence[int], share: float) -> float | None:
    """The upper bound of the class that the quantile is in; None of nothing."""
    total = sum(counts)
    if not total:
        return None
    seen = 0
    for bound, count in zip((*_BOUNDS, _BOUNDS[-1]), counts, strict=True):
        seen += count
        if seen >= share * total:
            return bound
    return _BOUNDS[-1]


class Windows:
    """The lines of one server. Everything happens on the event loop."""

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self._wall = wall
        self.server = Ring(15)
        self._own: OrderedDict[str, Ring] = OrderedDict()

    def received(self, count: int) -> None:
        """New updates are on disk."""
        self.server.step(self._wall()).received += count

    def attempted(self, push_config: str, seconds: float, *, failed: bool) -> None:
        """One attempt ended."""
        now = self._wall()
        where = bisect_left(_BOUNDS, seconds)
        for step in (self.server.step(now), self._ring(push_config).step(now)):
            step.attempts += 1
            step.failed += failed
            step.durations[where] += 1

    def ended(self, push_config: str, state: str) -> None:
        """A push ended."""
        now = self._wall()
        for step in (self.server.step(now), self._ring(push_config).step(now)):
            if state == "delivered":
                step.delivered += 1
            elif state == "dead":
                step.dead += 1

    def waiting(self, counts: Iterable[tuple[str, int, float]]) -> None:
        """What waits now: PushConfig, pending pushes, age of the oldest in seconds."""
        now = self._wall()
        total, oldest = 0, 0.0
        for name, pending, age in counts:
            total += pending
            oldest = max(oldest, age)
            if pending or name in self._own:
                step = self._ring(name).step(now)
                step.pending, step.queue_age = pending, age
        step = self.server.step(now)
        step.pending, step.queue_age = total, oldest

    def of(self, push_config: str) -> Ring:
        """The line of a PushConfig; an empty one where nothing happened."""
        return self._own.get(push_config) or Ring(60)

    def retain(self, push_configs: Iterable[str]) -> None:
        """Only these PushConfigs exist from now on."""
        for name in set(self._own).difference(push_configs):
            del self._own[name]

    def _ring(self, push_config: str) -> Ring:
        ring = self._own.get(push_config)
        if ring is None:
            ring = self._own[push_config] = Ring(60)
            if len(self._own) > MOST_PUSH_CONFIGS:
                self._own.popitem(last=False)
        else:
            self._own.move_to_end(push_config)
        return ring
