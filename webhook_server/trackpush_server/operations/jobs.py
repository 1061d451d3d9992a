"""Jobs: work that continues after the request that started it. A process keeps the newest hundred."""

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable
from typing import Generic, Literal, TypeVar

import msgspec
import structlog

from trackpush_runtime.background import end
from trackpush_server.journal.model import JournalUnavailableError

MOST_RUNNING = 4
MOST_KEPT = 100

_log = structlog.get_logger("trackpush.operations")


class JobView(msgspec.Struct, kw_only=True, rename="camel"):
    """A job as the admin port shows it. Times are ms since the epoch."""

    id: str
    state: Literal["running", "done", "cancelled", "failed"] = "running"
    error: str | None = None
    begun_at: int
    ended_at: int | None = None


View = TypeVar("View", bound=JobView)


class TooManyJobsError(Exception):
    """Too many jobs are running; the message says what to do."""


class Jobs(Generic[View]):
    """Jobs of one kind."""

    def __init__(self, kind: str, wall: Callable[[], float]) -> None:
        self._kind = kind
        self._wall = wall
        self._views: dict[str, View] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def new_id(self) -> str:
        return f"{self._kind}_{secrets.token_hex(6)}"

    def start(self, view: View, work: Callable[[View], Awaitable[None]]) -> None:
        """Run ``work``, which writes its progress into the view.

        Raises:
            TooManyJobsError: too many jobs are running.
        """
        self.check()
        self._views[view.id] = view
        for old in [view for view in self._views if view not in self._tasks][: max(len(self._views) - MOST_KEPT, 0)]:
            del self._views[old]
        self._tasks[view.id] = asyncio.get_running_loop().create_task(self._run(view, work))

    def check(self) -> None:
        """Check that one more job may run.

        Raises:
            TooManyJobsError: too many jobs are running.
        """
        if len(self._tasks) >= MOST_RUNNING:
            raise TooManyJobsError(f"{len(self._tasks)} jobs are running; wait until one of them ends, or cancel one")

    def get(self, job: str) -> View | None:
        """One job, or None if it is unknown."""
        return self._views.get(job)

    def all(self) -> tuple[View, ...]:
        return tuple(reversed(self._views.values()))

    async def wait(self, job: str, seconds: float) -> None:
        """Wait until a job ends, for at most this many seconds."""
        task = self._tasks.get(job)
        if task is not None:
            await asyncio.wait({task}, timeout=seconds)

    async def cancel(self, job: str) -> None:
        """Cancel a job; its results so far stay."""
        await end(self._tasks.get(job))

    async def close(self) -> None:
        for job in list(self._tasks):
            await self.cancel(job)

    async def _run(self, view: View, work: Callable[[View], Awaitable[None]]) -> None:
        _log.info(f"{self._kind}_begun", job=view.id)
        try:
            await work(view)
            view.state = "done"
        except asyncio.CancelledError:
            view.state = "cancelled"
            raise
        except JournalUnavailableError as error:
            view.state, view.error = "failed", str(error)
        except Exception as error:  # noqa: BLE001  it is logged; the other jobs continue
            view.state, view.error = "failed", f"internal error: {type(error).__name__}"
            _log.exception(f"{self._kind}_failed", job=view.id)
        finally:
            view.ended_at = int(self._wall() * 1000)
            with contextlib.suppress(KeyError):
                del self._tasks[view.id]
            _log.info(f"{self._kind}_ended", job=view.id, state=view.state, error=view.error)
