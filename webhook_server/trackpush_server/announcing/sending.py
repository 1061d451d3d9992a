"""Sends the messages of targets: a few at a time, each target's own, with its own retries."""

import asyncio
import random
from collections.abc import Callable
from typing import Final

import msgspec
import structlog

from trackpush_api.routing import AnnouncementTarget, Egress
from trackpush_runtime.log_throttle import LogThrottle
from trackpush_server.announcing.attempt import claimed, settle
from trackpush_server.announcing.observer import AnnouncementObserver
from trackpush_server.announcing.requests import destination_of, header_lines
from trackpush_server.journal.announcements import TargetState
from trackpush_server.journal.model import JournalUnavailableError
from trackpush_server.journal.ports import AnnouncementStore
from trackpush_server.outbound.port import Answer, Transport

_AT_ONCE: Final = 32
_GRACE: Final = 5.0

_log = structlog.get_logger("trackpush.announcing")


class MessageSender:
    """The attempts in flight, at most one for each target."""

    def __init__(
        self,
        store: AnnouncementStore,
        transport: Transport,
        observer: AnnouncementObserver,
        *,
        wall: Callable[[], float],
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._store = store
        self._transport = transport
        self._observer = observer
        self._wall = wall
        self._chance = chance
        self._room = asyncio.Semaphore(_AT_ONCE)
        self._running: dict[str, asyncio.Task[None]] = {}
        self._throttle = LogThrottle()

    def is_sending(self, target: str) -> bool:
        return target in self._running

    def send(
        self,
        target: AnnouncementTarget,
        egress: Egress,
        state: TargetState,
        *,
        done: Callable[[TargetState | None], None],
    ) -> None:
        """Make one attempt; then call ``done`` with the target's new state, or None if it is not known."""

        async def attempt() -> None:
            after: TargetState | None = None
            try:
                async with self._room:
                    after = await self._attempt(target, egress, state)
            except JournalUnavailableError:
                pass  # the journal reports its own errors; the message is due again
            except Exception:  # noqa: BLE001  it is logged; the message is due again when its claim ends
                _log.exception("notification_not_sent", target=target.name)
            finally:
                del self._running[target.name]
                done(after)

        self._running[target.name] = asyncio.get_running_loop().create_task(attempt())

    async def stop(self) -> None:
        """Wait a moment for the attempts in flight, so that no other process repeats them; then cancel them."""
        running = list(self._running.values())
        if running:
            _, late = await asyncio.wait(running, timeout=_GRACE)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _attempt(self, target: AnnouncementTarget, egress: Egress, state: TargetState) -> TargetState | None:
        """Claim the message, send it, and store the result; None if another process has claimed it."""
        assert state.message_id is not None
        state = claimed(state, int(self._wall() * 1000))
        if not await self._store.put(state):
            return None
        body = await self._store.body(state.target, state.message_id or "")
        if body is None:
            return None
        answer = await self._post(target, egress, state.message_id or "", body)
        settled = settle(state, answer, int(self._wall() * 1000), self._chance())
        self._observer.attempted(settled.result)
        self._tell(settled.result, state, settled.state)
        return settled.state if await self._store.put(settled.state) else None

    async def _post(self, target: AnnouncementTarget, egress: Egress, message_id: str, body: bytes) -> Answer:
        sender = self._transport.sender(destination_of(target), egress)
        try:
            return await sender.post(header_lines(target, message_id, body, self._wall()), body)
        finally:
            await sender.close()

    def _tell(self, result: str, state: TargetState, after: TargetState) -> None:
        if result == "sent":
            _log.info("notification_sent", target=state.target, message=state.message_id, tries=state.tries)
            return
        held_back = self._throttle.allow(result)
        if held_back is None:
            return
        told = {"target": state.target, "message": state.message_id, "tries": state.tries, "held_back": held_back}
        if result == "given_up":
            _log.error("notification_given_up", **told, reason=after.error or state.error)
        else:
            _log.warning("notification_failed", **told, reason=after.error)


def with_message(state: TargetState, message_id: str, now: int) -> TargetState:
    """The state with a new message, which is due at once."""
    return msgspec.structs.replace(
        state, version=state.version + 1, message_id=message_id, created_at=now, due_at=now, tries=0, error=None
    )
