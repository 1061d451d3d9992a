"""Looks at all watched subjects, a millisecond at a time, so that ten thousand of them never hold the event loop."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Final, Protocol, TypeVar

from trackpush_server.announcing.conditions import UNKNOWN, SubjectCondition, of_account, of_endpoint
from trackpush_server.announcing.detection import Change, compare
from trackpush_server.announcing.events import EventSubject
from trackpush_server.announcing.known import Known
from trackpush_server.announcing.scope import AnnouncementScope, WatchedSubject
from trackpush_server.journal.announcements import SubjectTotal
from trackpush_server.pusher.observer import EndpointHealth
from trackpush_server.silence.activity import AccountActivity

_SLICE: Final = 0.001
_T = TypeVar("_T")
Totals = Mapping[tuple[EventSubject, str], SubjectTotal]


class SubjectFacts(Protocol):
    """What the server knows now. Called on the event loop; each call takes microseconds."""

    def endpoint(self, push_config: str) -> EndpointHealth | None:
        """None if this server sends nothing to the endpoint."""
        ...

    def account(self, name: str) -> AccountActivity | None: ...


class ServerFacts:
    """The facts of a server, from the functions that know them."""

    def __init__(
        self,
        endpoint: Callable[[str], EndpointHealth | None],
        account: Callable[[str], AccountActivity | None],
    ) -> None:
        self.endpoint = endpoint
        self.account = account


async def in_slices(items: Iterable[_T]) -> AsyncIterator[_T]:
    """The items; other tasks run in between."""
    loop = asyncio.get_running_loop()
    end = loop.time() + _SLICE
    for item in items:
        if loop.time() >= end:
            await asyncio.sleep(0)
            end = loop.time() + _SLICE
        yield item


async def find_changes(
    scope: AnnouncementScope, facts: SubjectFacts, known: Known, totals: Totals, now: int
) -> list[Change]:
    """The changes to announce, of the subjects of ``scope``."""
    found: list[Change] = []
    async for watched in in_slices(scope.subjects):
        total = totals.get((watched.subject, watched.name))
        condition = _condition(watched, facts, now)
        if condition.problem is None and total is None and not known.is_known(watched.subject, watched.name):
            continue
        for target in watched.targets:
            change = compare(
                watched,
                target,
                known.row(target, watched.subject, watched.name),
                condition=condition,
                total=total,
                chosen=scope.targets[target].events,
                now=now,
            )
            if change is not None:
                found.append(change)
    return found


def _condition(watched: WatchedSubject, facts: SubjectFacts, now: int) -> SubjectCondition:
    if watched.subject == "PushConfig":
        return of_endpoint(facts.endpoint(watched.name))
    activity = facts.account(watched.name)
    return UNKNOWN if activity is None else of_account(activity, now)
