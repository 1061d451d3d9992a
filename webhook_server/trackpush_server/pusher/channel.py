"""The channel: the pushes of one PushConfig, from the hand-over to the end of each.

It coordinates `window` (which pushes are in memory), `endpoint` (may it be sent to, and whose fault is a failure),
`decision` (what becomes of a push), `attempts` (one attempt and its outcome) and `probing`. A channel has its own
lanes, breaker, rate limit and bound on attempts, so a client that hangs takes nothing from another. All methods run on
the event loop and none of them awaits: they are steps of a state machine, driven by commits, answers, timers and pages
from the journal.
"""

import asyncio
from collections.abc import Iterable

from trackpush_api.routing import Destination, Egress, Retry
from trackpush_server.journal.model import Committed
from trackpush_server.journal.ownership import slot_of
from trackpush_server.outbound.port import Answer
from trackpush_server.pusher import policy, report
from trackpush_server.pusher.attempts import Attempts
from trackpush_server.pusher.endpoint import Endpoint, News
from trackpush_server.pusher.hub import Hub
from trackpush_server.pusher.lanes import Lane
from trackpush_server.pusher.observer import ChannelSnapshot, Trouble
from trackpush_server.pusher.probing import Probing
from trackpush_server.pusher.starter import Starter
from trackpush_server.pusher.state import HELD, ChannelStatus, State
from trackpush_server.pusher.window import Window

_ELSEWHERE = "another replica sends its pushes"


class Channel:
    """The pushes of one PushConfig."""

    __slots__ = ("_attempts", "_hub", "_loop", "_probing", "_starter", "_status", "_window", "endpoint", "name", "slot")

    def __init__(self, hub: Hub, destination: Destination, egress: Egress) -> None:
        self.name = destination.name
        self.slot = slot_of(destination.name)
        self._hub = hub
        self._loop = asyncio.get_running_loop()
        self.endpoint = Endpoint(destination, self._loop.time())
        self._status = ChannelStatus(hub, self.name, *self._resting(destination))
        self._window = Window(self, hub, ordered=destination.ordered)
        self._attempts = Attempts(self, hub, self._window, destination, egress)
        self._starter = Starter(self, hub, self._window, self._attempts)
        self._probing = Probing(self, hub, self._window)

    # ---- what its parts need to know

    @property
    def state(self) -> State:
        """What its endpoint is taken to be."""
        return self._status.state

    @property
    def retry(self) -> Retry:
        """How its pushes are tried again."""
        return self._attempts.destination.retry

    @property
    def is_idle(self) -> bool:
        """Whether no attempt is under way."""
        return not self._attempts.in_flight

    # ---- configuration

    def configure(self, destination: Destination, egress: Egress) -> None:
        """Take over a new version of the destination between two attempts; a changed one gets a fresh chance."""
        if self._attempts.is_current(destination, egress) and self.state is not State.UNCONFIGURED:
            return
        self._window.needs_rebuild |= destination.ordered != self._attempts.destination.ordered
        self._attempts.renew(destination, egress)
        self.endpoint = Endpoint(destination, self._loop.time())
        state, reason = self._resting(destination)
        if state is State.CLOSED:
            self._enter(state, "its PushConfig changed")
            self._window.resume_waiting()
        else:
            self._hold(state, reason)
        self._rebuild_when_idle()
        self.start_ready()

    def unconfigure(self) -> None:
        """Its PushConfig is gone: attempts under way end, all other pushes wait on disk until it is back."""
        self._hold(State.UNCONFIGURED, "its PushConfig was removed")

    def _resting(self, destination: Destination) -> tuple[State, str]:
        """The state while nothing is known of the endpoint, and why."""
        if not self._hub.owns(self.slot):
            return State.ELSEWHERE, _ELSEWHERE
        if destination.suspended:
            return State.SUSPENDED, "suspended in its PushConfig"
        return State.CLOSED, ""

    def _enter(self, state: State, reason: str) -> None:
        self._probing.cancel()
        self._status.enter(state, reason)

    def _hold(self, state: State, reason: str) -> None:
        self._enter(state, reason)
        self._window.let_go()

    # ---- ownership

    def gain(self) -> None:
        """Its pushes are sent from here: begin with what is on disk, and with nothing known of the endpoint."""
        if self.state is not State.ELSEWHERE:
            return
        destination = self._attempts.destination
        self.endpoint = Endpoint(destination, self._loop.time())
        self._window.rebuild(ordered=destination.ordered)
        self._enter(*self._resting(destination))
        self.start_ready()

    def hand_over(self) -> None:
        """Start nothing more; attempts under way end."""
        if self.state is not State.UNCONFIGURED:
            self._hold(State.ELSEWHERE, _ELSEWHERE)

    def lose(self) -> None:
        """Cut attempts under way: another may be sending the same pushes by now, and has what was recorded."""
        self.hand_over()
        self._attempts.cut()
        self._window.rebuild(ordered=self._attempts.destination.ordered)

    def void(self) -> None:
        """The journal lost commits: an id may be another update's now, so no late answer counts for it."""
        self._window.lanes.is_void = True
        self.lose()

    # ---- news from the disk

    def offer(self, committed: Committed) -> None:
        """A push was committed: take it into memory if there is room, otherwise the disk has it."""
        if self._window.offer(committed):
            if self.state is State.OPEN:
                self._probing.plan(0.0)
            self.start_ready()

    def stored_elsewhere(self, first_id: int) -> None:
        """Another replica stored pushes, this one the first of them: read them."""
        self._window.stored_elsewhere(first_id)

    def rescan(self, replayed: Iterable[int] = ()) -> None:
        """Look for pending pushes on disk that memory doesn't know: passed over while suspended, or replayed."""
        self._window.rescan(replayed)
        self.start_ready()

    def forget(self, update_ids: frozenset[int]) -> None:
        """Let go of pushes that were erased on disk."""
        self._window.lanes.remove(update_ids)

    def drop_account(self, account: str) -> None:
        """Hold an account's pushes back: they stay pending on disk until `rescan`."""
        self._window.lanes.drop_account(account)

    def read_again(self) -> None:
        """Other keys came: payloads that couldn't be opened are tried at once."""
        self._window.read_again()
        self.start_ready()

    def record_unreadable(self, lane: Lane, reason: str) -> None:
        """The payload of a head can't be opened."""
        self._attempts.record_unreadable(lane, reason)

    def payload_loaded(self, lane: Lane) -> None:
        """The payload of a running head was read back: it is next, and a probe is sent at once."""
        if self.state is State.OPEN and self.is_idle:
            self.start(lane)
        else:
            self._window.lanes.resume(lane, first=True)

    # ---- turns

    def start_ready(self, *, refill: bool = True) -> None:
        """Start what may start now, and read on from disk when there is room."""
        self._starter.start_ready(refill=refill)

    def start(self, lane: Lane) -> None:
        """Start a lane that is marked running, out of turn: a probe."""
        self._starter.start(lane)

    def wake_in(self, seconds: float) -> None:
        """Look again after so many seconds, or earlier."""
        self._starter.wake_in(seconds)

    def plan_probe(self, delay: float) -> None:
        """While the breaker is open: there may be another push to probe with."""
        if self.state is State.OPEN and self.is_idle:
            self._probing.plan(delay)

    # ---- answers

    def follow(self, answer: Answer, news: News) -> None:
        """What an answer means for the endpoint, whatever became of the push."""
        if self.state in HELD:
            return
        if news.gone:
            self._hold(State.GONE, policy.loggable(answer))
        elif news.opened:
            self._enter(State.OPEN, policy.loggable(answer))
            self._window.shrink()
            self._probing.plan(self.endpoint.probe_delay(answer, self._hub.chance()))
        elif self.state is State.OPEN:
            self._follow_while_open(answer, news)

    def _follow_while_open(self, answer: Answer, news: News) -> None:
        if news.closed:
            self._enter(State.CLOSED, "a push was delivered")
            self._window.resume_waiting()
        elif not news.delivered:
            if news.answers_again:
                self._window.resume_untold()
            if self.is_idle:
                self._probing.plan(self.endpoint.probe_delay(answer, self._hub.chance()))

    def attempt_ended(self) -> None:
        """One attempt less is under way: what waited for it may happen now."""
        self._rebuild_when_idle()
        if not self._hub.owns(self.slot):
            self._window.let_go()
            if self.is_idle:
                self._hub.on_left()
        self.start_ready()

    def _rebuild_when_idle(self) -> None:
        if self._window.needs_rebuild and self.is_idle:
            self._window.rebuild(ordered=self._attempts.destination.ordered)

    # ---- seen from outside

    def snapshot(self) -> ChannelSnapshot:
        """The channel as /metrics and the console show it."""
        now, timer = self._loop.time(), self._probing.timer or self._starter.wake_up.timer
        return report.snapshot(
            self.name,
            self._status,
            self.endpoint,
            self._window,
            in_flight=self._attempts.in_flight,
            next_try_in=None if timer is None else timer.when() - now,
            now=now,
            wall=self._hub.wall(),
        )

    def trouble(self) -> Trouble | None:
        """What is wrong with the endpoint; None while it is taken to be well, or nothing is sent on purpose."""
        return report.trouble(self.name, self._status, self.endpoint, self._hub.wall())

    async def close(self) -> None:
        """Stop timers and reads, close the connections. Attempts under way are cut."""
        self._starter.wake_up.cancel()
        await asyncio.gather(self._probing.close(), self._window.close())
        await self._attempts.close()
