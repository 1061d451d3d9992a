"""The channel: everything about the pushes of one PushConfig, from the hand-over to the end of each.

A channel has its own lanes, breaker, rate limit and bound on attempts under way, so a client that hangs takes nothing
from another. All methods run on the event loop and none of them awaits: they are steps of a state machine, driven by
commits, answers, timers and pages from the journal.
"""

import asyncio
from collections.abc import Iterable, Sequence
from functools import partial

from trackpush_api.routing import Destination, Egress
from trackpush_server.ids import push_id
from trackpush_server.journal.ownership import slot_of
from trackpush_server.journal.port import Committed, PushState, StoredPush
from trackpush_server.outbound.port import Answer, Failure
from trackpush_server.pusher import budget as bounds
from trackpush_server.pusher import policy, pushes
from trackpush_server.pusher.backlog import Backlog
from trackpush_server.pusher.breaker import Breaker
from trackpush_server.pusher.hub import Hub
from trackpush_server.pusher.lanes import Lane, Lanes, LaneState, Push
from trackpush_server.pusher.line import Line
from trackpush_server.pusher.observer import ChannelSnapshot, Trouble
from trackpush_server.pusher.pages import Pages
from trackpush_server.pusher.payloads import Payloads
from trackpush_server.pusher.policy import Verdict
from trackpush_server.pusher.probing import Probing
from trackpush_server.pusher.rate import TokenBucket
from trackpush_server.pusher.state import HELD, RETRYING, State

_PAGE = 256
_RELOAD_AFTER_FAULT = 1.0
_PAUSE = 0.2
_ELSEWHERE = "another replica sends its pushes"


class Channel:
    """The pushes of one PushConfig."""

    def __init__(self, hub: Hub, destination: Destination, egress: Egress) -> None:
        self.name = destination.name
        self.slot = slot_of(destination.name)
        self._hub = hub
        self._loop = asyncio.get_running_loop()
        self._line = Line(hub, destination, egress)
        self._egress = egress
        self._lanes = Lanes(ordered=destination.ordered, budget=hub.budget)
        self._backlog = Backlog(alone=hub.ownership.alone)
        self._breaker = Breaker()
        self._state, self._reason = self._resting()
        self._since = 0.0
        self._cause = ""
        self._limit = destination.max_concurrency
        self._rate = self._bucket(destination)
        self._in_flight = 0
        self._quiet_until = 0.0
        self._wake: asyncio.TimerHandle | None = None
        self._probing = Probing(hub, self.name, self._send_probe)
        self._pages = Pages(
            hub,
            self.name,
            self._backlog,
            room=self._page_size,
            take=self._take_page,
            taken=partial(self.pump, refill=False),
            fault=partial(self._wake_in, _RELOAD_AFTER_FAULT),
        )
        self._payloads = Payloads(
            hub.journal, self.name, came=self._payload_came, fault=self._payload_lacks, after=self.pump
        )
        self._rebuild = False

    # ---- configuration

    def configure(self, destination: Destination, egress: Egress) -> None:
        """Take over a new version of the destination between two attempts; a changed one gets a fresh chance."""
        old = self._line.destination
        if destination == old and egress == self._egress and self._state is not State.UNCONFIGURED:
            return
        self._line.retire()
        self._line = Line(self._hub, destination, egress)
        self._egress = egress
        self._start_anew()
        self._rebuild |= destination.ordered != old.ordered
        state, reason = self._resting()
        if state is State.CLOSED:
            self._enter(state, "its PushConfig changed")
            self._resume_waiting()
        else:
            self._let_go(state, reason)
        if self._rebuild and not self._in_flight:
            self._rebuild_lanes()
        self.pump()

    def unconfigure(self) -> None:
        """Its PushConfig is gone: attempts under way end, all other pushes wait on disk until it is back."""
        self._let_go(State.UNCONFIGURED, "its PushConfig was removed")

    def _start_anew(self) -> None:
        """Nothing is known of the endpoint."""
        self._breaker = Breaker()
        self._limit = self._line.destination.max_concurrency
        self._rate = self._bucket(self._line.destination)
        self._quiet_until = 0.0

    def _resting(self) -> tuple[State, str]:
        """The state that it is in when nothing is known of its endpoint, and why."""
        if not self._hub.owns(self.slot):
            return State.ELSEWHERE, _ELSEWHERE
        if self._line.destination.suspended:
            return State.SUSPENDED, "suspended in its PushConfig"
        return State.CLOSED, ""

    # ---- ownership

    @property
    def is_idle(self) -> bool:
        """Whether no attempt is under way."""
        return not self._in_flight

    def gain(self) -> None:
        """Its pushes are sent from here: begin with what is on disk, and with nothing known of the endpoint."""
        if self._state is not State.ELSEWHERE:
            return
        self._start_anew()
        self._rebuild_lanes()
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
        self._rebuild_lanes()

    def stored_elsewhere(self, first_id: int) -> None:
        """Another replica stored pushes, this one the first of them: read them."""
        self._backlog.stored_elsewhere(first_id)
        self._pages.read()

    # ---- news of the disk

    def rescan(self, replayed: Iterable[int] = ()) -> None:
        """Look for pending pushes on disk that memory doesn't know: passed over while suspended, or replayed."""
        self._backlog.rescan(replayed)
        self.pump()

    def forget(self, update_ids: frozenset[int]) -> None:
        """Let go of pushes that were erased on disk."""
        self._lanes.remove(update_ids)

    def drop_account(self, account: str) -> None:
        """Hold an account's pushes back: they stay pending on disk until `rescan`."""
        self._lanes.drop_account(account)

    # ---- pushes come in

    def offer(self, committed: Committed) -> None:
        """A push was committed: take it into memory if there is room, otherwise the disk has it."""
        if committed.behind > self._backlog.loaded_to:
            self._backlog.stored_elsewhere(committed.behind)
        if not self._backlog.admits(committed.update_id):
            self._pages.read()
            return
        if committed.update.account in self._hub.suspended_accounts:
            return
        if self._no_room():
            self._backlog.spill(committed.update_id)
            return
        self._lanes.add(pushes.committed(committed, self.name))
        if self._state is State.OPEN:
            self._probing.plan(0.0)
        self.pump()

    def _no_room(self) -> bool:
        if self._state in HELD:
            return True
        held = len(self._lanes)
        if self._state is State.OPEN:
            return held >= bounds.WINDOW_WHILE_OPEN
        if held - self._lanes.blocked >= bounds.WINDOW or held >= bounds.MOST:
            return True
        return held >= bounds.LEAST and self._hub.budget.is_full

    def _page_size(self) -> int:
        if self._state in HELD or self._rebuild:
            return 0
        held = len(self._lanes)
        if self._state is State.OPEN:
            return bounds.WINDOW_WHILE_OPEN if held < bounds.MOST and self._next_probe() is None else 0
        if self._hub.budget.is_full and held >= bounds.LEAST:
            return 0
        room = min(bounds.WINDOW - (held - self._lanes.blocked), bounds.MOST - held)
        return min(room, _PAGE) if room >= _PAGE // 2 else 0

    def _take_page(self, page: Sequence[StoredPush]) -> None:
        now = int(self._hub.wall() * 1000)
        for stored in page:
            if (
                stored.update_id in self._lanes
                or self._backlog.is_stale(stored.update_id)
                or stored.account in self._hub.suspended_accounts
            ):
                continue
            lane = self._lanes.add(pushes.stored(stored))
            if lane is not None and stored.unreadable is not None:
                self._keep_unread(lane, stored.unreadable)
            elif lane is not None and stored.due_at > now and self._state is State.CLOSED:
                self._wait(lane, (stored.due_at - now) / 1000)
        if self._state is State.OPEN and len(self._lanes):
            self._probing.plan(0.0)

    # ---- attempts

    def pump(self, *, refill: bool = True) -> None:
        """Start what may start now, and read on from disk when there is room."""
        if self._state is State.CLOSED and not self._rebuild:
            while self._in_flight < self._limit and self._lanes.has_ready and self._may_start():
                lane = self._lanes.start_next()
                if lane is None:
                    break
                self._start(lane)
        if refill and self._backlog.spilled:
            self._pages.read()

    def _may_start(self) -> bool:
        if not self._hub.may_start:
            self._wake_in(_PAUSE)
            return False
        if self._quiet_until:
            left = self._quiet_until - self._loop.time()
            if left > 0:
                self._wake_in(left)
                return False
            self._quiet_until = 0.0
        if self._rate is not None:
            wait = self._rate.take(self._loop.time())
            if wait:
                self._wake_in(wait)
                return False
        return True

    def _wake_in(self, seconds: float) -> None:
        if self._wake is None and not self._hub.stopping:
            self._wake = self._loop.call_later(seconds, self._woken)

    def _woken(self) -> None:
        self._wake = None
        self.pump()

    def _start(self, lane: Lane) -> None:
        """Send the head of a lane that was marked running."""
        push = lane.head
        now = self._hub.wall()
        if now * 1000 >= policy.expires_at(self._line.destination.retry, push.begun_at):
            self._end(lane, PushState.DEAD, None, error="older than its maxAge when its turn came")
            return
        if push.account in self._hub.suspended_accounts:
            self._lanes.wait(lane)
            self._lanes.drop_account(push.account)
            return
        if push.body is None:
            self._payloads.fetch(self._lanes, lane)
            return
        self._in_flight += 1
        self._hub.in_flight += 1
        push.previous_attempt_at, push.last_attempt_at = push.last_attempt_at, int(now * 1000)
        line = self._line
        line.send(push, now, partial(self._answered, self._lanes, lane, line))

    def _answered(self, lanes: Lanes, lane: Lane, line: Line, future: asyncio.Future[Answer]) -> None:
        answer = future.result()
        self._in_flight -= 1
        self._hub.attempt_ended()
        line.finished()
        if answer.failure is Failure.FENCED and lanes is self._lanes:
            self.lose()  # its own timer is late: the process was paused
        if lanes is self._lanes:
            self._judge(lane, line, answer)
        else:
            self._came_too_late(lanes, lane, answer)
        if self._rebuild and not self._in_flight:
            self._rebuild_lanes()
        if not self._hub.owns(self.slot):
            self._trim(0)
            if not self._in_flight:
                self._hub.on_left()
        self.pump()

    def _came_too_late(self, lanes: Lanes, lane: Lane, answer: Answer) -> None:
        """It was cut, which says nothing of the endpoint; but that a push was delivered is true, whoever sent it."""
        lane.head.tries += 1
        if policy.judge(answer) is Verdict.DELIVERED:
            self._record(lane, PushState.DELIVERED, answer, error=None)
            self._backlog.ended(lane.head.update_id)
        lanes.end_head(lane)

    def _judge(self, lane: Lane, line: Line, answer: Answer) -> None:
        lane.head.tries += 1
        self._hub.observer.attempted(self.name, policy.result_label(answer), answer.duration, lane.head.trace)
        verdict = policy.judge(answer)
        if verdict is Verdict.DELIVERED:
            self._delivered(lane, answer)
        else:
            self._failed(lane, answer, verdict, current=line is self._line)

    def _delivered(self, lane: Lane, answer: Answer) -> None:
        self._end(lane, PushState.DELIVERED, answer)
        if self._limit < self._line.destination.max_concurrency:
            self._limit += 1
        if self._breaker.succeeded(self._hub.wall()) and self._state is State.OPEN:
            self._enter(State.CLOSED, "a push was delivered")
            self._resume_waiting()

    def _failed(self, lane: Lane, answer: Answer, verdict: Verdict, *, current: bool) -> None:
        push = lane.head
        now = self._hub.wall()
        self._cause = policy.cause(answer)
        rejection = verdict is Verdict.REJECTED
        if rejection and self._breaker.blames_push(push.update_id, push.previous_attempt_at / 1000):
            push.rejections += 1
        if push.erased:
            self._end(lane, PushState.DROPPED, answer)  # no error: it may quote what was erased
            return
        if push.rejections >= policy.MAX_REJECTIONS:
            self._end(lane, PushState.DEAD, answer, error=self._why(answer))
            return
        retry = self._line.destination.retry
        delay = max(
            policy.backoff(retry, push.tries - push.tries_before, self._hub.chance()), policy.quiet_time(answer)
        )
        stops = verdict is Verdict.GONE and current
        opened = current and not stops and self._breaker.failed(push.update_id, rejection=rejection)
        waits_for_endpoint = stops or self._breaker.is_open or self._state not in RETRYING
        if not waits_for_endpoint and now + delay > policy.expires_at(retry, push.begun_at) / 1000:
            self._end(lane, PushState.DEAD, answer, error=self._why(answer))
            return
        push.due_at = 0 if waits_for_endpoint else int((now + delay) * 1000)
        self._record(lane, PushState.PENDING, answer, error=self._why(answer))
        self._wait(lane, None if waits_for_endpoint else delay)
        self._slow_down(answer)
        self._after_failure(answer, opened=opened, stops=stops)

    def _after_failure(self, answer: Answer, *, opened: bool, stops: bool) -> None:
        if self._state in HELD:
            return
        if stops:
            self._let_go(State.GONE, policy.loggable(answer))
        elif opened:
            self._enter(State.OPEN, policy.loggable(answer))
            self._trim(bounds.WINDOW_WHILE_OPEN)
            self._probing.plan(self._probe_delay(answer))
        elif self._state is State.OPEN and not self._in_flight:
            self._probing.plan(self._probe_delay(answer))

    def _slow_down(self, answer: Answer) -> None:
        quiet = policy.quiet_time(answer)
        if quiet:
            self._quiet_until = max(self._quiet_until, self._loop.time() + quiet)
        if answer.status in policy.SLOW_DOWN:
            self._limit = max(1, self._limit // 2)

    def _probe_delay(self, answer: Answer) -> float:
        return max(self._breaker.probe_delay(self._hub.chance()), policy.quiet_time(answer))

    # ---- ends and waits

    def _end(self, lane: Lane, state: PushState, answer: Answer | None, error: str | None = None) -> None:
        push = lane.head
        self._record(lane, state, answer, error=error)
        self._backlog.ended(push.update_id)
        age = self._hub.wall() - push.received_at / 1000
        self._hub.observer.ended(self.name, state.name.lower(), age, push.trace)
        if len(lane.pushes) > 1:
            self._hub.flusher.after_flush(partial(self._next_in_lane, self._lanes, lane))
        else:
            self._lanes.end_head(lane)

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

    def _wait(self, lane: Lane, delay: float | None) -> None:
        """Block a lane; with a delay it resumes by itself, without one when its endpoint does."""
        self._lanes.wait(lane)
        push = lane.head
        if self._hub.budget.is_tight and push.body is not None:
            self._lanes.unload(push)
        if delay is not None:
            self._loop.call_later(delay, self._due, lane, push)

    def _due(self, lane: Lane, push: Push) -> None:
        if lane.state is LaneState.WAITING and lane.pushes and lane.head is push and self._state is State.CLOSED:
            self._lanes.resume(lane)
            self.pump()

    def _resume_waiting(self) -> None:
        """The endpoint is back: every waiting head is ready again, oldest first; attempts ramp up from one."""
        self._limit = 1 if self._breaker.last_success is not None else self._limit
        waiting = [lane for lane in self._lanes if lane.state is LaneState.WAITING and not lane.head.unreadable]
        for lane in sorted(waiting, key=lambda lane: lane.head.update_id):
            self._lanes.resume(lane)

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
        self._trim(0)

    def _trim(self, keep: int) -> None:
        on_disk = self._lanes.trim(keep)
        if on_disk is not None:
            self._backlog.spill(on_disk + 1)

    def _send_probe(self) -> None:
        if self._state is not State.OPEN or self._hub.stopping:
            return
        if not self._hub.may_start:
            self._probing.plan(_PAUSE)
            return
        if self._backlog.spilled:
            self._probing.expire(self._line.destination.retry.max_age)
        while not self._in_flight and (lane := self._next_probe()) is not None:
            self._lanes.start(lane)
            self._start(lane)
            if self._payloads.is_fetching(self._lanes, lane):
                return  # sent when its payload has come
        if not self._in_flight and (len(self._lanes) or self._backlog.spilled):
            self._pages.read()
            self._probing.plan(_RELOAD_AFTER_FAULT)

    def _next_probe(self) -> Lane | None:
        """The head that was tried least recently: one bad push alone never keeps an endpoint closed."""
        return min(
            (lane for lane in self._lanes if lane.state is not LaneState.RUNNING and not lane.head.unreadable),
            key=lambda lane: (lane.head.last_attempt_at, lane.head.update_id),
            default=None,
        )

    # ---- payloads

    def _payload_came(self, lanes: Lanes, lane: Lane, stored: StoredPush | None) -> None:
        if stored is None or lanes is not self._lanes:
            self._pass_turn()
            if lanes.end_head(lane):  # erased meanwhile, or the lanes were made anew
                lanes.resume(lane)
            return
        if stored.unreadable is not None:
            self._pass_turn()
            self._keep_unread(lane, stored.unreadable)
            return
        self._lanes.load(lane.head, stored.notification, stored.body)
        if self._has_turn():
            self._start(lane)
        else:
            self._pass_turn()
            self._lanes.resume(lane, first=True)

    def _has_turn(self) -> bool:
        """Whether a push may start now that was about to before its payload was read: its token is taken."""
        if self._state is State.OPEN:
            return not self._in_flight
        ready = self._state is State.CLOSED and not self._rebuild and self._hub.may_start
        return ready and self._in_flight < self._limit and self._quiet_until <= self._loop.time()

    def _pass_turn(self) -> None:
        """It doesn't start after all: another may have its token. A probe had none."""
        if self._rate is not None and self._state is State.CLOSED:
            self._rate.give_back()

    def _payload_lacks(self, lanes: Lanes, lane: Lane) -> None:
        self._pass_turn()
        if lanes is self._lanes:
            self._wait(lane, _RELOAD_AFTER_FAULT)
        else:
            lanes.end_head(lane)

    def _keep_unread(self, lane: Lane, reason: str) -> None:
        """Its lane waits until other keys come, and no other lane does: it is neither given up nor passed over."""
        push = lane.head
        if not push.unreadable:
            push.unreadable = True
            self._record(lane, PushState.PENDING, None, error=reason)
        self._wait(lane, None)
        if self._state is State.OPEN and not self._in_flight:
            self._probing.plan(_PAUSE)

    def read_again(self) -> None:
        """Other keys came: payloads that couldn't be opened are tried at once."""
        for lane in self._lanes:
            if lane.state is LaneState.WAITING and lane.head.unreadable:
                lane.head.unreadable = False
                self._lanes.resume(lane)
        self.pump()

    def _rebuild_lanes(self) -> None:
        """Start again from the disk; what is under way ends in the old lanes."""
        self._lanes.trim(0)
        self._lanes = Lanes(ordered=self._line.destination.ordered, budget=self._hub.budget)
        self._rebuild = False
        self._backlog.rescan()

    def _bucket(self, destination: Destination) -> TokenBucket | None:
        return None if destination.rate_limit is None else TokenBucket(destination.rate_limit, self._loop.time())

    # ---- seen from outside

    def snapshot(self) -> ChannelSnapshot:
        """The channel as /metrics and the console show it."""
        timer = self._probing.timer or self._wake
        return ChannelSnapshot(
            push_config=self.name,
            in_memory=len(self._lanes),
            in_flight=self._in_flight,
            lanes=self._lanes.count,
            concurrency=self._limit,
            spilled=self._backlog.spilled,
            breaker=self._state.value,
            reason=self._reason,
            since=self._since,
            next_try_at=None if timer is None else self._hub.wall() + timer.when() - self._loop.time(),
            consecutive_failures=self._breaker.failures,
            last_success_at=self._breaker.last_success,
            ready_since=self._ready_since(),
        )

    def _ready_since(self) -> float | None:
        """None where it is the client that has pushes wait: its endpoint, its rate limit, its Retry-After."""
        head = self._lanes.next_head
        if head is None or self._state is not State.CLOSED or self._rate is not None or self._quiet_until:
            return None
        return max(head.begun_at, head.due_at) / 1000

    def trouble(self) -> Trouble | None:
        """What is wrong with the endpoint; None while it is taken to be well, or nothing is sent on purpose."""
        if self._state is not State.OPEN and self._state is not State.GONE:
            return None
        return Trouble(
            push_config=self.name,
            gone=self._state is State.GONE,
            since=self._since,
            cause=self._cause,
            failures=self._breaker.failures,
        )

    async def close(self) -> None:
        """Stop timers and reads, close the connections. Attempts under way are cut."""
        if self._wake is not None:
            self._wake.cancel()
        await asyncio.gather(self._probing.close(), self._pages.close(), self._payloads.close())
        await self._line.close()
