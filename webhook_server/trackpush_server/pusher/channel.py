"""The channel: the pushes of one PushConfig, from the hand-over to the end of each.

It coordinates four parts: `endpoint` (may it be sent to, and whose fault is a failure), `window` (which pushes are in
memory), `line` (one attempt) and `decision` (what becomes of a push). A channel has its own lanes, breaker, rate limit
and bound on attempts, so a client that hangs takes nothing from another. All methods run on the event loop and none
of them awaits: they are steps of a state machine, driven by commits, answers, timers and pages from the journal.
"""

import asyncio
from collections.abc import Iterable
from functools import partial

from trackpush_api.routing import Destination, Egress, Retry
from trackpush_server.ids import push_id
from trackpush_server.journal.model import Committed, PushState, StoredPush
from trackpush_server.journal.ownership import slot_of
from trackpush_server.outbound.port import Answer, Failure
from trackpush_server.pusher import policy, pushes
from trackpush_server.pusher.decision import Decision, Turn, decide, turn_of
from trackpush_server.pusher.endpoint import Endpoint, News
from trackpush_server.pusher.hub import Hub
from trackpush_server.pusher.lanes import Lane, Lanes, LaneState, Push
from trackpush_server.pusher.line import Line
from trackpush_server.pusher.observer import ChannelSnapshot, Trouble
from trackpush_server.pusher.payloads import Payloads
from trackpush_server.pusher.policy import Verdict
from trackpush_server.pusher.probing import Probing
from trackpush_server.pusher.state import HELD, RETRYING, State
from trackpush_server.pusher.window import Window

_RELOAD_AFTER_FAULT = 1.0
_PAUSE = 0.2
_ELSEWHERE = "another replica sends its pushes"


class Channel:
    """The pushes of one PushConfig."""

    __slots__ = (
        "_egress",
        "_endpoint",
        "_hub",
        "_in_flight",
        "_line",
        "_loading",
        "_loop",
        "_payloads",
        "_probing",
        "_reason",
        "_since",
        "_state",
        "_wake",
        "_wake_at",
        "_window",
        "name",
        "slot",
    )

    def __init__(self, hub: Hub, destination: Destination, egress: Egress) -> None:
        self.name = destination.name
        self.slot = slot_of(destination.name)
        self._hub = hub
        self._loop = asyncio.get_running_loop()
        self._line = Line(hub, destination, egress)
        self._egress = egress
        self._endpoint = Endpoint(destination, self._loop.time())
        self._state, self._reason = self._resting()
        self._since = 0.0
        self._in_flight = 0
        self._wake: asyncio.TimerHandle | None = None
        self._wake_at = 0.0
        self._probing = Probing(hub, self.name, self._send_probe)
        self._window = Window(self, hub, ordered=destination.ordered)
        self._payloads = Payloads(
            hub.journal, self.name, came=self._payload_came, fault=self._payload_lacks, after=self.pump
        )
        self._loading = 0

    # ---- what the window needs to know

    @property
    def state(self) -> State:
        """What its endpoint is taken to be."""
        return self._state

    @property
    def endpoint(self) -> Endpoint:
        """What is known of its endpoint."""
        return self._endpoint

    @property
    def retry(self) -> Retry:
        """How its pushes are tried again."""
        return self._line.destination.retry

    @property
    def is_idle(self) -> bool:
        """Whether no attempt is under way."""
        return not self._in_flight

    # ---- configuration

    def configure(self, destination: Destination, egress: Egress) -> None:
        """Take over a new version of the destination between two attempts; a changed one gets a fresh chance."""
        old = self._line.destination
        if destination == old and egress == self._egress and self._state is not State.UNCONFIGURED:
            return
        self._line.retire()
        self._line = Line(self._hub, destination, egress)
        self._egress = egress
        self._endpoint = Endpoint(destination, self._loop.time())
        self._window.needs_rebuild |= destination.ordered != old.ordered
        state, reason = self._resting()
        if state is State.CLOSED:
            self._enter(state, "its PushConfig changed")
            self._window.resume_waiting()
        else:
            self._let_go(state, reason)
        self._rebuild_when_idle()
        self.pump()

    def unconfigure(self) -> None:
        """Its PushConfig is gone: attempts under way end, all other pushes wait on disk until it is back."""
        self._let_go(State.UNCONFIGURED, "its PushConfig was removed")

    def _resting(self) -> tuple[State, str]:
        """The state while nothing is known of the endpoint, and why."""
        if not self._hub.owns(self.slot):
            return State.ELSEWHERE, _ELSEWHERE
        if self._line.destination.suspended:
            return State.SUSPENDED, "suspended in its PushConfig"
        return State.CLOSED, ""

    # ---- ownership

    def gain(self) -> None:
        """Its pushes are sent from here: begin with what is on disk, and with nothing known of the endpoint."""
        if self._state is not State.ELSEWHERE:
            return
        self._endpoint = Endpoint(self._line.destination, self._loop.time())
        self._rebuild()
        self._enter(*self._resting())
        self.pump()

    def hand_over(self) -> None:
        """Start nothing more; attempts under way end."""
        if self._state is not State.UNCONFIGURED:
            self._let_go(State.ELSEWHERE, _ELSEWHERE)

    def lose(self) -> None:
        """Cut attempts under way: another may be sending the same pushes by now, and has what was recorded."""
        self.hand_over()
        self._line.cut()
        self._line = Line(self._hub, self._line.destination, self._egress)
        self._rebuild()

    def void(self) -> None:
        """The journal lost commits: an id may be another update's now, so no late answer counts for it."""
        self._window.lanes.is_void = True
        self.lose()

    def stored_elsewhere(self, first_id: int) -> None:
        """Another replica stored pushes, this one the first of them: read them."""
        self._window.stored_elsewhere(first_id)

    # ---- news of the disk

    def offer(self, committed: Committed) -> None:
        """A push was committed: take it into memory if there is room, otherwise the disk has it."""
        if self._window.offer(committed):
            if self._state is State.OPEN:
                self._probing.plan(0.0)
            self.pump()

    def rescan(self, replayed: Iterable[int] = ()) -> None:
        """Look for pending pushes on disk that memory doesn't know: passed over while suspended, or replayed."""
        self._window.rescan(replayed)
        self.pump()

    def forget(self, update_ids: frozenset[int]) -> None:
        """Let go of pushes that were erased on disk."""
        self._window.lanes.remove(update_ids)

    def drop_account(self, account: str) -> None:
        """Hold an account's pushes back: they stay pending on disk until `rescan`."""
        self._window.lanes.drop_account(account)

    def read_again(self) -> None:
        """Other keys came: payloads that couldn't be opened are tried at once."""
        self._window.read_again()
        self.pump()

    # ---- attempts

    def pump(self, *, refill: bool = True) -> None:
        """Start what may start now, and read on from disk when there is room."""
        lanes = self._window.lanes
        while self._in_flight + self._loading < self._most_at_once() and (lane := lanes.next_lane()) is not None:
            if not self._hub.may_start:
                self._wake_in(_PAUSE)
                break
            turn = self._turn(lane.head)
            if turn is Turn.SEND and not self._may_send(lane.head):
                break
            lanes.start(lane)
            self._take_turn(lane, turn)
        if refill:
            self._window.refill()

    def _most_at_once(self) -> int:
        """How many attempts may be under way.

        An open endpoint that answers, but rejects, is still asked about every push that it hasn't seen: that it refuses
        some must not keep others from being tried.
        """
        if self._window.needs_rebuild:
            return 0
        if self._state is State.CLOSED:
            return self._endpoint.limit
        if self._state is not State.OPEN:
            return 0
        if self._endpoint.refuses:
            return self._endpoint.most_untried
        lane = self._window.lanes.next_lane()
        return int(lane is not None and lane.head.is_last_try)

    def _turn(self, push: Push) -> Turn:
        return turn_of(push, self._line.destination.retry, self._hub.wall(), self._hub.suspended_accounts)

    def _may_send(self, push: Push) -> bool:
        """Take the right to send this push now, its rate token included; where not yet, wake up when it is time."""
        wait = self._endpoint.acquire(self._loop.time(), is_last_try=push.is_last_try)
        if wait:
            self._wake_in(wait)
        return not wait

    def _wake_in(self, seconds: float) -> None:
        at = self._loop.time() + seconds
        if self._hub.stopping or (self._wake is not None and self._wake_at <= at):
            return
        if self._wake is not None:
            self._wake.cancel()
        self._wake, self._wake_at = self._loop.call_at(at, self._woken), at

    def _woken(self) -> None:
        self._wake = None
        self.pump()

    def _take_turn(self, lane: Lane, turn: Turn) -> None:
        """Do with the head of a lane, which was marked running, what its turn means."""
        match turn:
            case Turn.EXPIRE:
                self._end(lane, PushState.DEAD, None, error="older than its maxAge when its turn came")
            case Turn.HOLD:
                self._window.lanes.wait(lane)
                self._window.lanes.drop_account(lane.head.account)
            case Turn.LOAD:
                self._loading += 1
                self._payloads.fetch(self._window.lanes, lane)
            case Turn.SEND:
                self._send(lane)

    def _send(self, lane: Lane) -> None:
        push, line, now = lane.head, self._line, self._hub.wall()
        self._in_flight += 1
        self._hub.in_flight += 1
        push.previous_attempt_at, push.last_attempt_at = push.last_attempt_at, int(now * 1000)
        line.send(push, now, partial(self._answered, self._window.lanes, lane, line))

    def _answered(self, lanes: Lanes, lane: Lane, line: Line, future: asyncio.Future[Answer]) -> None:
        answer = future.result()
        self._in_flight -= 1
        self._hub.attempt_ended()
        line.finished()
        if answer.failure is Failure.FENCED and lanes is self._window.lanes:
            self.lose()  # its own timer is late: the process was paused
        if lanes is self._window.lanes:
            self._judge(lane, line, answer)
        else:
            self._came_too_late(lanes, lane, answer)
        self._rebuild_when_idle()
        if not self._hub.owns(self.slot):
            self._window.let_go()
            if not self._in_flight:
                self._hub.on_left()
        self.pump()

    def _came_too_late(self, lanes: Lanes, lane: Lane, answer: Answer) -> None:
        """It was cut, which says nothing of the endpoint; but that a push was delivered is true, whoever sent it."""
        lane.head.tries += 1
        if policy.judge(answer) is Verdict.DELIVERED and not lanes.is_void:
            self._record(lane, PushState.DELIVERED, answer, error=None)
            self._window.ended(lane.head.update_id)
        lanes.end_head(lane)

    def _judge(self, lane: Lane, line: Line, answer: Answer) -> None:
        push = lane.head
        push.tries += 1
        self._hub.observer.attempted(self.name, policy.result_label(answer), answer.duration, push.trace)
        wall = self._hub.wall()
        if policy.judge(answer) is Verdict.DELIVERED:
            self._end(lane, PushState.DELIVERED, answer)
            closes = self._endpoint.delivered(wall)
            if self._state is State.OPEN and closes:
                self._enter(State.CLOSED, "a push was delivered")
                self._window.resume_waiting()
            return
        refused_before = self._endpoint.refuses
        is_current = line is self._line
        news = self._endpoint.failed(push, answer, now=self._loop.time(), wall=wall, current=is_current)
        self._apply(lane, answer, self._decide(push, answer, news, wall), wall)
        self._follow(answer, news, answers_again=self._endpoint.refuses and not refused_before)

    def _decide(self, push: Push, answer: Answer, news: News, wall: float) -> Decision:
        is_endpoints_fault = self._endpoint.breaker.is_open and not news.proven
        return decide(
            push,
            answer,
            retry=self._line.destination.retry,
            now=wall,
            chance=self._hub.chance(),
            waits_for_endpoint=news.gone or is_endpoints_fault or (self._state in HELD and self._state not in RETRYING),
        )

    def _apply(self, lane: Lane, answer: Answer, decision: Decision, wall: float) -> None:
        """What becomes of the push."""
        error = self._why(answer) if decision.quotes_answer else None
        if decision.state is not PushState.PENDING:
            self._end(lane, decision.state, answer, error=error)
            return
        push = lane.head
        push.is_last_try = decision.is_last_try
        push.due_at = 0 if decision.retry_in is None else int((wall + decision.retry_in) * 1000)
        self._record(lane, PushState.PENDING, answer, error=error)
        self._window.wait(lane, decision.retry_in)

    def _follow(self, answer: Answer, news: News, *, answers_again: bool) -> None:
        """What the failure means for the endpoint, whatever became of the push."""
        if self._state in HELD:
            return
        if news.gone:
            self._let_go(State.GONE, policy.loggable(answer))
        elif news.opened:
            self._enter(State.OPEN, policy.loggable(answer))
            self._window.shrink()
            self._probing.plan(self._endpoint.probe_delay(answer, self._hub.chance()))
        elif self._state is State.OPEN:
            if answers_again:
                self._window.resume_untold()
            if not self._in_flight:
                self._probing.plan(self._endpoint.probe_delay(answer, self._hub.chance()))

    # ---- ends

    def _end(self, lane: Lane, state: PushState, answer: Answer | None, error: str | None = None) -> None:
        push = lane.head
        self._record(lane, state, answer, error=error)
        self._window.ended(push.update_id)
        age = self._hub.wall() - push.received_at / 1000
        self._hub.observer.ended(self.name, state.name.lower(), age, push.trace)
        if len(lane.pushes) > 1:
            self._hub.flusher.after_flush(partial(self._next_in_lane, self._window.lanes, lane))
        else:
            self._window.lanes.end_head(lane)

    def _next_in_lane(self, lanes: Lanes, lane: Lane) -> None:
        if lanes.end_head(lane):
            lanes.resume(lane)
        self.pump()

    def _record(self, lane: Lane, state: PushState, answer: Answer | None, error: str | None) -> None:
        push = lane.head
        outcome = pushes.outcome(push, self.name, state, answer, error)
        self._hub.journal.record(outcome)
        self._hub.observer.recorded(push.key, push.shipment, outcome)
        if error is not None:
            next_in = max(push.due_at / 1000 - self._hub.wall(), 0.0) if state is PushState.PENDING else None
            identity = push_id(push.key, self.name)
            told = error if answer is None else policy.loggable(answer)
            self._hub.observer.failed(self.name, identity, tries=push.tries, reason=told, next_in=next_in)

    def _why(self, answer: Answer) -> str:
        return policy.reason(answer) if self._hub.quotes else policy.loggable(answer)

    def record_unreadable(self, lane: Lane, reason: str) -> None:
        """Its payload can't be opened: write down why, once."""
        if not lane.head.unreadable:
            lane.head.unreadable = True
            self._record(lane, PushState.PENDING, None, error=reason)

    # ---- states

    def _enter(self, state: State, reason: str) -> None:
        self._probing.cancel()
        if state is not self._state:
            told = State.ELSEWHERE not in {state, self._state}  # whoever hands over slots tells of it, once for all
            self._state, self._reason = state, "" if state is State.CLOSED else reason
            self._since = self._hub.wall()
            if told:
                self._hub.observer.changed(self.name, state.value, reason)

    def _let_go(self, state: State, reason: str) -> None:
        self._enter(state, reason)
        self._window.let_go()

    def _rebuild_when_idle(self) -> None:
        if self._window.needs_rebuild and not self._in_flight:
            self._rebuild()

    def _rebuild(self) -> None:
        self._window.rebuild(ordered=self._line.destination.ordered)
        self._loading = 0

    # ---- probes

    def plan_probe(self, delay: float) -> None:
        """While the breaker is open: there may be another push to probe with."""
        if self._state is State.OPEN and not self._in_flight:
            self._probing.plan(delay)

    def _send_probe(self) -> None:
        if self._state is not State.OPEN or self._hub.stopping:
            return
        if not self._hub.may_start:
            self._probing.plan(_PAUSE)
            return
        if self._window.has_more:
            self._probing.expire(self._line.destination.retry.max_age)
        while not self._in_flight and not self._loading and (lane := self._window.next_probe()) is not None:
            self._window.lanes.start(lane)
            self._take_turn(lane, self._turn(lane.head))
        if not self._in_flight and not self._loading and self._window.has_more:
            self._window.refill()
            self._probing.plan(_RELOAD_AFTER_FAULT)

    # ---- payloads

    def _payload_came(self, lanes: Lanes, lane: Lane, stored: StoredPush | None) -> None:
        if lanes is not self._window.lanes:
            lanes.end_head(lane)
            return
        self._loading -= 1
        if stored is None:  # erased meanwhile
            if lanes.end_head(lane):
                lanes.resume(lane)
        elif stored.unreadable is not None:
            self.record_unreadable(lane, stored.unreadable)
            self._window.wait(lane, None)
            self.plan_probe(_PAUSE)
        else:
            lanes.load(lane.head, stored.notification, stored.body)
            if self._state is State.OPEN and not self._in_flight:
                self._take_turn(lane, self._turn(lane.head))
            else:
                lanes.resume(lane, first=True)

    def _payload_lacks(self, lanes: Lanes, lane: Lane) -> None:
        if lanes is self._window.lanes:
            self._loading -= 1
            self._window.wait(lane, _RELOAD_AFTER_FAULT)
        else:
            lanes.end_head(lane)

    # ---- timers of the window

    def wake_after_fault(self) -> None:
        """The disk couldn't be read: try again soon."""
        self._wake_in(_RELOAD_AFTER_FAULT)

    def due(self, lane: Lane, push: Push) -> None:
        """The wait of a head is over."""
        is_its_wait = lane.state is LaneState.WAITING and lane.pushes and lane.head is push
        if not is_its_wait or self._state in HELD:
            return
        self._window.lanes.resume(lane, first=push.is_last_try)
        self.pump()

    # ---- seen from outside

    def snapshot(self) -> ChannelSnapshot:
        """The channel as /metrics and the console show it."""
        timer = self._probing.timer or self._wake
        return ChannelSnapshot(
            push_config=self.name,
            in_memory=len(self._window.lanes),
            in_flight=self._in_flight,
            lanes=self._window.lanes.count,
            concurrency=self._endpoint.limit,
            spilled=self._window.has_more,
            breaker=self._state.value,
            reason=self._reason or (self._endpoint.cause if self._failing_since() is not None else ""),
            since=self._since,
            next_try_at=None if timer is None else self._hub.wall() + timer.when() - self._loop.time(),
            consecutive_failures=self._endpoint.breaker.failures,
            last_success_at=self._endpoint.breaker.last_success,
            failing_since=self._failing_since(),
            ready_since=self._ready_since(),
        )

    def _ready_since(self) -> float | None:
        """None where it is the client that has pushes wait: its endpoint, its rate limit, its Retry-After."""
        lane = self._window.lanes.next_lane()
        waits = self._endpoint.rate is not None or self._endpoint.is_quiet(self._loop.time())
        if lane is None or self._state is not State.CLOSED or waits:
            return None
        head = lane.head
        return max(head.begun_at, head.due_at) / 1000

    def trouble(self) -> Trouble | None:
        """What is wrong with the endpoint; None while it is taken to be well, or nothing is sent on purpose."""
        since = self._failing_since()
        if since is None:
            return None
        return Trouble(
            push_config=self.name,
            gone=self._state is State.GONE,
            is_open=self._state is State.OPEN,
            is_hopeless=self._endpoint.is_hopeless,
            since=since,
            cause=self._endpoint.cause,
            failures=self._endpoint.breaker.failures,
        )

    def _failing_since(self) -> float | None:
        """Since when to report the endpoint as failing, whatever the schedule of its retries."""
        if self._state is State.GONE:
            return self._since
        failing_since = self._endpoint.failing_since
        if self._state is State.OPEN:
            return self._since if failing_since is None else failing_since
        if self._state is State.CLOSED and self._endpoint.is_failing(self._hub.wall()):
            return failing_since
        return None

    async def close(self) -> None:
        """Stop timers and reads, close the connections. Attempts under way are cut."""
        if self._wake is not None:
            self._wake.cancel()
        await asyncio.gather(self._probing.close(), self._window.close(), self._payloads.close())
        await self._line.close()
