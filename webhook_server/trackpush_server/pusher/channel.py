"""The channel: the pushes of one PushConfig, from the hand-over to the end of each.

It coordinates `window` (which pushes are in memory), `endpoint` (may it be sent to, and whose fault is a failure),
`transitions` (the channel's state), `starter` (whose turn it is), `attempts` (one attempt and its outcome, see
`decision`) and `prober`. A channel has its own lanes, breaker, rate limit and bound on attempts, so a client that
hangs takes nothing from another. All methods run on the event loop and none of them awaits: they are steps of a state
machine, driven by commits, answers, timers and pages from the journal.
"""

import asyncio
from collections.abc import Iterable

from trackpush_api.routing import Destination, Egress, Retry
from trackpush_server.journal.model import Committed
from trackpush_server.journal.slots import slot_of
from trackpush_server.pusher import report
from trackpush_server.pusher.attempts import Attempts
from trackpush_server.pusher.endpoint import Endpoint
from trackpush_server.pusher.hub import Hub
from trackpush_server.pusher.lanes import Lane
from trackpush_server.pusher.observer import ChannelSnapshot, Trouble
from trackpush_server.pusher.outcomes import OutcomeRecorder
from trackpush_server.pusher.prober import Prober
from trackpush_server.pusher.starter import Starter
from trackpush_server.pusher.state import ELSEWHERE_REASON, ChannelStatus, State, resting
from trackpush_server.pusher.transitions import Transitions
from trackpush_server.pusher.window import Window


class Channel:
    """The pushes of one PushConfig."""

    __slots__ = (
        *("_attempts", "_hub", "_loop", "_prober", "_starter", "_status", "_transitions", "_window"),
        *("endpoint", "name", "slot"),
    )

    def __init__(self, hub: Hub, destination: Destination, egress: Egress) -> None:
        self.name = destination.name
        self.slot = slot_of(destination.name)
        self._hub = hub
        self._loop = asyncio.get_running_loop()
        self.endpoint = Endpoint(destination, self._loop.time())
        self._status = ChannelStatus(hub, self.name, *resting(destination, is_owned=hub.owns(self.slot)))
        outcomes = OutcomeRecorder(hub, self.name)
        self._window = Window(self, hub, outcomes, ordered=destination.ordered)
        self._prober = Prober(self, hub, self._window)
        self._transitions = Transitions(self, hub, self._status, self._window, self._prober)
        self._attempts = Attempts(
            self, hub, destination, egress, window=self._window, outcomes=outcomes, transitions=self._transitions
        )
        self._starter = Starter(self, hub, self._window, self._attempts)

    # ---- what its parts need to know

    @property
    def state(self) -> State:
        """The state of its endpoint."""
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
        """Apply a new version of the destination between two attempts; a changed one starts with a closed breaker."""
        if self._attempts.is_current(destination, egress) and self.state is not State.UNCONFIGURED:
            return
        if destination.ordered != self._attempts.destination.ordered:
            self._window.rebuild_later()
        self._attempts.renew(destination, egress)
        self.endpoint = Endpoint(destination, self._loop.time())
        state, reason = self._resting()
        if state is State.CLOSED:
            self._transitions.close("its PushConfig changed")
        else:
            self._transitions.hold(state, reason)
        self._rebuild_when_idle()
        self.start_ready()

    def unconfigure(self) -> None:
        """Its PushConfig is gone: attempts under way end, all other pushes wait on disk until it is back."""
        self._transitions.hold(State.UNCONFIGURED, "its PushConfig was removed")

    def _resting(self) -> tuple[State, str]:
        return resting(self._attempts.destination, is_owned=self._hub.owns(self.slot))

    # ---- ownership

    def gain(self) -> None:
        """This server sends its pushes from now on: start from the disk, with an endpoint in its initial state."""
        if self.state is not State.ELSEWHERE:
            return
        destination = self._attempts.destination
        self.endpoint = Endpoint(destination, self._loop.time())
        self._window.rebuild(ordered=destination.ordered)
        self._transitions.enter(*self._resting())
        self.start_ready()

    def hand_over(self) -> None:
        """Start nothing more; attempts under way end."""
        if self.state is not State.UNCONFIGURED:
            self._transitions.hold(State.ELSEWHERE, ELSEWHERE_REASON)

    def lose(self) -> None:
        """Cancel running attempts: another replica may be sending the same pushes."""
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
                self._prober.plan(0.0)
            self.start_ready()

    def stored_elsewhere(self, first_id: int) -> None:
        """Another replica stored pushes, this one the first of them: read them."""
        self._window.stored_elsewhere(first_id)

    def rescan(self, replayed: Iterable[int] = ()) -> None:
        """Look for pending pushes on disk that memory doesn't know: passed over while suspended, or replayed."""
        self._window.rescan(replayed)
        self.start_ready()

    def forget(self, update_ids: frozenset[int]) -> None:
        """Remove pushes that were erased on disk."""
        self._window.lanes.remove(update_ids)

    def drop_account(self, account: str) -> None:
        """Hold an account's pushes back: they stay pending on disk until `rescan`."""
        self._window.lanes.drop_account(account)

    def read_again(self) -> None:
        """The keys changed: try to decrypt unreadable payloads at once."""
        self._window.waiting.read_again()
        self.start_ready()

    # ---- turns

    def start_ready(self, *, refill: bool = True) -> None:
        """Start what may start now, and read on from disk when there is room."""
        self._starter.start_ready(refill=refill)

    def start(self, lane: Lane) -> None:
        """Start a lane that is marked running, out of turn: a probe."""
        self._starter.start(lane)

    def wake_in(self, seconds: float) -> None:
        """Look again after this many seconds, or earlier."""
        self._starter.wake_in(seconds)

    def plan_probe(self, delay: float) -> None:
        """While the breaker is open: there may be another push to probe with."""
        if self.state is State.OPEN and self.is_idle:
            self._prober.plan(delay)

    def attempt_ended(self) -> None:
        """An attempt ended: continue the work that waited for it."""
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
        now, timer = self._loop.time(), self._prober.timer or self._starter.wake_up.timer
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
        """The problem of the endpoint; None while it is healthy, or while nothing is sent on purpose."""
        return report.trouble(self.name, self._status, self.endpoint, self._hub.wall())

    async def close(self) -> None:
        """Stop timers and reads, close the connections. Attempts under way are cut."""
        self._starter.wake_up.cancel()
        await asyncio.gather(self._prober.close(), self._window.close())
        await self._attempts.close()
