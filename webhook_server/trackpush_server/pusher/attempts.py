"""Attempts: sends the head of a lane, and turns the response into the push's next state and its outcome in the journal.

Each response also goes to `Transitions`, which changes the endpoint's state independently of the push's next state.
"""

import asyncio
from functools import partial
from typing import Protocol

from trackpush_api.routing import Destination, Egress
from trackpush_server.journal.model import PushState
from trackpush_server.outbound.port import Answer, Failure
from trackpush_server.pusher import policy
from trackpush_server.pusher.decision import decide
from trackpush_server.pusher.destination_client import DestinationClient
from trackpush_server.pusher.endpoint import Endpoint, News
from trackpush_server.pusher.hub import Hub
from trackpush_server.pusher.lanes import Lane, Lanes
from trackpush_server.pusher.outcomes import OutcomeRecorder
from trackpush_server.pusher.policy import Verdict
from trackpush_server.pusher.state import HELD, RETRYING, State
from trackpush_server.pusher.transitions import Transitions
from trackpush_server.pusher.window import Window


class AttemptsOwner(Protocol):
    """The part of the channel that `Attempts` uses."""

    name: str
    endpoint: Endpoint

    @property
    def state(self) -> State:
        """The state of the endpoint."""
        ...

    def lose(self) -> None:
        """Stop sending, because another replica may be sending the same pushes."""

    def attempt_ended(self) -> None:
        """Called after each attempt."""

    def start_ready(self) -> None:
        """Start the pushes that may start."""


class Attempts:
    """The attempts of one PushConfig, on one event loop."""

    __slots__ = (
        *("_client", "_egress", "_hub", "_loop", "_outcomes", "_owner", "_transitions", "_watched", "_window"),
        "in_flight",
    )

    def __init__(
        self,
        owner: AttemptsOwner,
        hub: Hub,
        destination: Destination,
        egress: Egress,
        *,
        window: Window,
        outcomes: OutcomeRecorder,
        transitions: Transitions,
    ) -> None:
        self._owner = owner
        self._hub = hub
        self._window = window
        self._outcomes = outcomes
        self._transitions = transitions
        self._egress = egress
        self._client = DestinationClient(hub, destination, egress)
        self._loop = asyncio.get_running_loop()
        self._watched: dict[int, asyncio.Event] = {}
        self.in_flight = 0
        """Number of running attempts, including those to earlier versions of the destination."""

    @property
    def destination(self) -> Destination:
        """The current version of the destination."""
        return self._client.destination

    def is_current(self, destination: Destination, egress: Egress) -> bool:
        """Whether this version of the destination is already in use."""
        return destination == self._client.destination and egress == self._egress

    def renew(self, destination: Destination, egress: Egress) -> None:
        """Send to this version from now on; attempts in flight end with the old version."""
        self._client.retire()
        self._egress = egress
        self._client = DestinationClient(self._hub, destination, egress)

    def cut(self) -> None:
        """Cancel all attempts in flight."""
        self._client.cut()
        self._client = DestinationClient(self._hub, self._client.destination, self._egress)

    async def close(self) -> None:
        """Close the connections and cancel the attempts in flight."""
        await self._client.close()

    # ---- one attempt

    def watch(self, update_id: int) -> asyncio.Event:
        """An event that is set when the next attempt of this push has ended, or the push without one."""
        return self._watched.setdefault(update_id, asyncio.Event())

    def _report_end(self, update_id: int) -> None:
        if self._watched and (event := self._watched.pop(update_id, None)) is not None:
            event.set()
            self._window.look_again()

    def send(self, lane: Lane) -> None:
        """Send the head of a lane, which is marked running."""
        push, client, now = lane.head, self._client, self._hub.wall()
        self.in_flight += 1
        self._hub.in_flight += 1
        push.previous_attempt_at, push.last_attempt_at = push.last_attempt_at, int(now * 1000)
        client.send(push, now, partial(self._answered, self._window.lanes, lane, client))

    def _answered(self, lanes: Lanes, lane: Lane, client: DestinationClient, future: asyncio.Future[Answer]) -> None:
        answer, update_id = future.result(), lane.head.update_id
        self.in_flight -= 1
        self._hub.attempt_ended()
        client.finished()
        if answer.failure is Failure.FENCED and lanes is self._window.lanes:
            self._owner.lose()  # the lease has expired without its timer having fired: the process was paused
        if lanes is self._window.lanes:
            self._settle(lane, answer, current=client is self._client)
        else:
            self._settle_late(lanes, lane, answer)
        self._report_end(update_id)
        self._owner.attempt_ended()

    def _settle_late(self, lanes: Lanes, lane: Lane, answer: Answer) -> None:
        """Record the end of a cancelled attempt. It says nothing about the endpoint, but a delivery still counts."""
        lane.head.tries += 1
        if policy.judge(answer) is Verdict.DELIVERED and not lanes.is_void:
            self._outcomes.record(lane, PushState.DELIVERED, answer)
            self._window.ended(lane.head.update_id)
        lanes.end_head(lane)

    def _settle(self, lane: Lane, answer: Answer, *, current: bool) -> None:
        push, endpoint = lane.head, self._owner.endpoint
        push.tries += 1
        if answer.said is not None and not push.erased:
            self._hub.answers.add(self._owner.name, push.update_id, push.tries, answer.said)
        self._hub.observer.attempted(self._owner.name, policy.result_label(answer), answer.duration, push.trace)
        wall = self._hub.wall()
        if policy.judge(answer) is Verdict.DELIVERED:
            self.end(lane, PushState.DELIVERED, answer)
            news = endpoint.delivered(wall)
        else:
            news = endpoint.failed(push, answer, now=self._loop.time(), wall=wall, current=current)
            self._settle_failed(lane, answer, news, wall)
        self._transitions.follow(answer, news)

    def _settle_failed(self, lane: Lane, answer: Answer, news: News, wall: float) -> None:
        push, state = lane.head, self._owner.state
        is_endpoints_fault = self._owner.endpoint.breaker.is_open and not news.proven
        decision = decide(
            push,
            answer,
            retry=self.destination.retry,
            now=wall,
            chance=self._hub.chance(),
            waits_for_endpoint=news.gone or is_endpoints_fault or (state in HELD and state not in RETRYING),
        )
        error = self._error(answer) if decision.quotes_answer else None
        if decision.state is not PushState.PENDING:
            self.end(lane, decision.state, answer, error)
            return
        push.is_last_try = decision.is_last_try
        push.due_at = 0 if decision.retry_in is None else int((wall + decision.retry_in) * 1000)
        self._outcomes.record(lane, PushState.PENDING, answer, error)
        self._window.waiting.wait(lane, decision.retry_in)

    def _error(self, answer: Answer) -> str:
        return policy.reason(answer) if self._hub.quotes else policy.loggable(answer)

    # ---- outcomes

    def end(self, lane: Lane, state: PushState, answer: Answer | None, error: str | None = None) -> None:
        """End the head of a lane. The next push of the lane starts when this outcome is on disk."""
        push = lane.head
        self._outcomes.record(lane, state, answer, error)
        self._window.ended(push.update_id)
        self._report_end(push.update_id)
        age = self._hub.wall() - push.received_at / 1000
        self._hub.observer.ended(self._owner.name, state.name.lower(), age, push.trace)
        if len(lane.pushes) > 1:
            self._hub.flusher.after_flush(partial(self._next_in_lane, self._window.lanes, lane))
        else:
            self._window.lanes.end_head(lane)

    def _next_in_lane(self, lanes: Lanes, lane: Lane) -> None:
        if lanes.end_head(lane):
            lanes.resume(lane)
        self._owner.start_ready()
