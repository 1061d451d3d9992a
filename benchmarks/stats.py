"""Computes figures from the logs of load and sink. Refuses figures of a run that lost or repeated anything."""

from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import median
from typing import NamedTuple

import msgspec

from records import PostLog, PushLog

_MS = 1_000_000
_SECOND = 1_000_000_000


class VoidError(Exception):
    """The run proves nothing: something was lost, repeated or refused. The message says what and how many."""


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What one case came to. Times in milliseconds, memory in MiB; None where a case has no such thing."""

    throughput: float
    """Updates a second: answered, or, where there is delivery, delivered."""
    answer_p50: float
    answer_p99: float
    answer_max: float
    push_p50: float | None = None
    """From the answer to the arrival at the client; a push may overtake its answer."""
    push_p99: float | None = None
    whole_p99: float | None = None
    """From when the request was due to the arrival at the client: the whole way of an update."""
    cpu_per_10k: float | None = None
    """CPU seconds of the server's process tree for 10,000 updates."""
    peak_mib: float | None = None


def quantile(values: Iterable[float], share: float) -> float:
    """The smallest value that at least this share of the values don't exceed."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def answer_times(posts: PostLog) -> list[float]:
    """Milliseconds from when each request was due to its answer."""
    return [(end - start) / _MS for start, end in zip(posts.intended, posts.answered, strict=True)]


def seconds_of(posts: PostLog) -> float:
    """From the first request to the last answer."""
    return (max(posts.answered) - posts.sent[0]) / _SECOND


def check_accepted(posts: PostLog) -> None:
    """Every request was answered with 200.

    Raises:
        VoidError: some were not.
    """
    counts = Counter(posts.status)
    if set(counts) != {200}:
        raise VoidError(f"not every request was answered with 200: {dict(counts)} (0: no answer)")


def check_exactly_once(marks: Iterable[int], pushes: PushLog) -> None:
    """Each of these marks arrived exactly once.

    Raises:
        VoidError: some were lost or repeated.
    """
    wanted = set(marks)
    arrived = Counter(mark for mark in pushes.mark if mark in wanted)
    lost = len(wanted) - len(arrived)
    repeated = sum(1 for count in arrived.values() if count > 1)
    if lost or repeated:
        raise VoidError(f"of {len(wanted)} updates {lost} never arrived and {repeated} arrived more than once")


class Delays(NamedTuple):
    """The delays of each push, in milliseconds."""

    from_answer: list[float]
    """From the answer to the post, as its sender saw it, to the first arrival at the client."""
    whole: list[float]
    """From when the post was due."""


def push_delays(posts: PostLog, first: int, pushes: PushLog, endpoints: Sequence[int] | None = None) -> Delays:
    """The delays of the pushes of these posts that arrived at these endpoints (all by default)."""
    rows = len(posts.answered)
    wanted = None if endpoints is None else frozenset(endpoints)
    seen: set[int] = set()
    delays = Delays([], [])
    for arrived, mark, endpoint in zip(pushes.arrived, pushes.mark, pushes.endpoint, strict=True):
        row = mark - first
        if 0 <= row < rows and mark not in seen and (wanted is None or endpoint in wanted):
            seen.add(mark)
            delays.from_answer.append((arrived - posts.answered[row]) / _MS)
            delays.whole.append((arrived - posts.intended[row]) / _MS)
    return delays


def delivered_per_second(posts: PostLog, first: int, pushes: PushLog) -> float:
    """Pushes of these posts per second, from the first request to the last push, so that the tail counts."""
    rows = range(first, first + len(posts.sent))
    arrivals = [arrived for arrived, mark in zip(pushes.arrived, pushes.mark, strict=True) if mark in rows]
    return len(arrivals) / ((max(arrivals) - posts.sent[0]) / _SECOND)


def median_figures(rounds: Sequence[Figures]) -> Figures:
    """The median of each figure."""

    def middle(name: str) -> float | None:
        values = [getattr(measured, name) for measured in rounds]
        return None if None in values else median(values)

    return msgspec.convert({name: middle(name) for name in Figures.__struct_fields__}, Figures)
