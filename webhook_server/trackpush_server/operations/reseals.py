"""Reseal: encrypts stored bodies again, with the first key. docs/encryption.md."""

import asyncio
import time
from collections.abc import Callable

import msgspec

from trackpush_server.journal.ports import ReencryptionStore
from trackpush_server.operations.jobs import Jobs, JobView

STEP = 200
"""Updates per commit; bodies are large."""
_SHARE = 0.3
"""Maximum part of the writer's time that a reseal uses."""
_MOST_REASONS = 8


class ResealRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """A request without fields."""


class ResealView(JobView, kw_only=True):
    """A reseal and its progress, in updates and unrecognised bodies."""

    looked: int = 0
    resealed: int = 0
    unreadable: int = 0
    """Bodies that are unchanged, because the key that encrypted them is missing."""
    reasons: tuple[str, ...] = ()
    """The reasons, each once; at most eight."""


class Reseals:
    """The reseals of one server."""

    def __init__(self, store: ReencryptionStore, wall: Callable[[], float] = time.time) -> None:
        self._store = store
        self._wall = wall
        self.jobs: Jobs[ResealView] = Jobs("reseal", wall)

    def start(self, request: ResealRequest) -> ResealView:
        """Start a reseal.

        Raises:
            TooManyJobsError: too many jobs are running.
        """
        del request
        view = ResealView(id=self.jobs.new_id(), begun_at=int(self._wall() * 1000))
        self.jobs.start(view, self._work)
        return view

    async def _work(self, view: ResealView) -> None:
        for reseal in (self._store.reseal, self._store.reseal_unrecognised):
            after: int | None = 0
            while after is not None:
                step = await reseal(after=after, limit=STEP)
                view.looked += step.looked
                view.resealed += step.resealed
                view.unreadable += len(step.unreadable)
                view.reasons = tuple(dict.fromkeys((*view.reasons, *step.unreadable)))[:_MOST_REASONS]
                after = step.next_after
                await asyncio.sleep(step.seconds / _SHARE)
        if view.resealed:
            await self._store.scrub()
