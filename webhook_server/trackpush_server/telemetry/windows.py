"""Counts of the last hour in steps of time, for charts: of the whole server and of each PushConfig.

/metrics counts from the start and needs a Prometheus to be useful, which a support person at 2 a.m. may not have.
Memory is bounded: only steps in which something happened are kept, and only a maximum number of them.
"""

import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Sequence

import msgspec

SPAN_SECONDS = 3600
SERVER_SECONDS = 15
OWN_SECONDS = 60
"""Length of a step of the whole server, and of a PushConfig."""
MOST_STEPS = 120_000
"""Maximum number of steps of all PushConfigs together.

It is enough for one hour of 2,000 PushConfigs that are busy in every minute. With more, the oldest minutes are dropped,
and lines start later.
"""
_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds of the histogram classes of an attempt's duration, in seconds; a quantile is the bound of its class."""


class Step(msgspec.Struct):
    """The counts of one step of time."""

    number: int
    """Number of the step, counted from the epoch."""
    received: int = 0
    attempts: int = 0
    failed: int = 0
    delivered: int = 0
    dead: int = 0
    pending: int | None = None
    """Pending pushes at the last sample in this step; None: not sampled, so the previous value still applies."""
    queue_age: float = 0.0
    """Seconds since the update of the oldest pending push was received; None as for `pending`."""
    durations: list[int] = msgspec.field(default_factory=lambda: [0] * (len(_BOUNDS) + 1))


class Point(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One step as charts show it. Rates are per second, times in seconds; quantiles are None without attempts."""

    at: int
    """Start of the step, in seconds since the epoch."""
    received: float
    attempts: float
    failed: float
    delivered: float
    p50: float | None
    p99: float | None
    pending: int
    queue_age: float


class Summary(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The sums of attempts and ended pushes over the last hour."""

    seconds: int
    """Length of the time for which there are steps: less than an hour if very many PushConfigs are busy."""
    attempts: int
    failed: int
    delivered: int
    dead: int
    success_rate: float | None
    """Share of accepted attempts, 0 to 1; None without attempts."""
    p50: float | None
    """Median duration of an attempt in seconds."""
    p99: float | None


class Line:
    """A time series of steps, of the server or of one PushConfig."""

    def __init__(self, seconds: int, steps: Iterable[Step], *, first: int = 0) -> None:
        """``seconds``: length of a step. ``first``: number of the first step that is known."""
        self.seconds = seconds
        self._steps = list(steps)
        self._first = first

    def points(self, now: float) -> tuple[Point, ...]:
        """Every known step of the last hour, including the current one; a step without events is zero."""
        known = {step.number: step for step in self._steps}
        points, pending, queue_age = [], 0, 0.0
        for number in self._numbers(now):
            step = known.get(number) or Step(number)
            if step.pending is not None:
                pending, queue_age = step.pending, step.queue_age
            points.append(self._point(step, pending, queue_age))
        return tuple(points)

    def summary(self, now: float) -> Summary:
        """The sums over all steps of the last hour."""
        numbers = self._numbers(now)
        steps = [step for step in self._steps if step.number in numbers]
        durations = [sum(column) for column in zip(*(step.durations for step in steps), strict=True)]
        attempts, failed = sum(step.attempts for step in steps), sum(step.failed for step in steps)
        return Summary(
            seconds=len(numbers) * self.seconds,
            attempts=attempts,
            failed=failed,
            delivered=sum(step.delivered for step in steps),
            dead=sum(step.dead for step in steps),
            success_rate=(attempts - failed) / attempts if attempts else None,
            p50=quantile(durations, 0.5),
            p99=quantile(durations, 0.99),
        )

    def _numbers(self, now: float) -> range:
        last = int(now) // self.seconds
        return range(min(max(last - SPAN_SECONDS // self.seconds + 1, self._first), last), last + 1)

    def _point(self, step: Step, pending: int, queue_age: float) -> Point:
        return Point(
            at=step.number * self.seconds,
            received=step.received / self.seconds,
            attempts=step.attempts / self.seconds,
            failed=step.failed / self.seconds,
            delivered=step.delivered / self.seconds,
            p50=quantile(step.durations, 0.5),
            p99=quantile(step.durations, 0.99),
            pending=pending,
            queue_age=queue_age,
        )


def quantile(counts: Sequence[int], share: float) -> float | None:
    """The upper bound of the histogram class that contains the quantile; None if nothing was counted."""
    total = sum(counts)
    if not total:
        return None
    seen = 0
    for bound, count in zip((*_BOUNDS, _BOUNDS[-1]), counts, strict=True):
        seen += count
        if seen >= share * total:
            return bound
    return _BOUNDS[-1]


class Minute:
    """The steps of all PushConfigs in which something happened in one minute."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.steps: dict[str, Step] = {}


class Windows:
    """The time series of one server. Used on the event loop only."""

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self._wall = wall
        self._server = deque([Step(0)])
        self._minutes = deque([Minute(0)])
        self._kept = 0
        """Number of steps in all minutes."""
        self._first = 0
        """Number of the first minute that was not dropped because of `MOST_STEPS`."""
        self._waiting: set[str] = set()
        """PushConfigs that had pending pushes at the last sample."""
        self._exist: frozenset[str] | None = None
        """The existing PushConfigs; None before the first `retain`."""

    def received(self, count: int) -> None:
        self._of_server(self._wall()).received += count

    def attempted(self, push_config: str, seconds: float, *, failed: bool) -> None:
        now = self._wall()
        where = bisect_left(_BOUNDS, seconds)
        for step in (self._of_server(now), self._of(push_config, now)):
            step.attempts += 1
            step.failed += failed
            step.durations[where] += 1

    def ended(self, push_config: str, state: str) -> None:
        now = self._wall()
        for step in (self._of_server(now), self._of(push_config, now)):
            if state == "delivered":
                step.delivered += 1
            elif state == "dead":
                step.dead += 1

    def waiting(self, counts: Iterable[tuple[str, int, float]]) -> None:
        """Record the current queues: PushConfig, pending pushes, age of the oldest in seconds."""
        now = self._wall()
        total, oldest = 0, 0.0
        before, self._waiting = self._waiting, set()
        for name, pending, age in counts:
            total += pending
            oldest = max(oldest, age)
            if pending:
                self._waiting.add(name)
            if pending or name in before:
                step = self._of(name, now)
                step.pending, step.queue_age = pending, age
        step = self._of_server(now)
        step.pending, step.queue_age = total, oldest

    @property
    def server(self) -> Line:
        """The time series of the whole server."""
        return Line(SERVER_SECONDS, self._server)

    def of(self, push_config: str) -> Line:
        """The time series of a PushConfig; empty if nothing happened or the PushConfig doesn't exist."""
        steps = (minute.steps.get(push_config) for minute in self._minutes)
        exists = self._exist is None or push_config in self._exist
        return Line(OWN_SECONDS, (step for step in steps if step is not None and exists), first=self._first)

    def retain(self, push_configs: Iterable[str]) -> None:
        """Keep these PushConfigs, and drop all others."""
        self._exist = frozenset(push_configs)

    def _of_server(self, now: float) -> Step:
        number = int(now) // SERVER_SECONDS
        steps = self._server
        if steps[-1].number < number:  # if the clock was set back, stay in the last step
            steps.append(Step(number))
            while steps[0].number <= number - SPAN_SECONDS // SERVER_SECONDS:
                steps.popleft()
        return steps[-1]

    def _of(self, push_config: str, now: float) -> Step:
        number = int(now) // OWN_SECONDS
        minutes = self._minutes
        if minutes[-1].number < number:
            minutes.append(Minute(number))
            while minutes[0].number <= number - SPAN_SECONDS // OWN_SECONDS:
                self._kept -= len(minutes.popleft().steps)
        minute = minutes[-1]
        step = minute.steps.get(push_config)
        if step is None:
            step = minute.steps[push_config] = Step(minute.number)
            self._kept += 1
            while self._kept > MOST_STEPS and len(minutes) > 1:
                self._kept -= len(minutes.popleft().steps)
                self._first = minutes[0].number
        return step
