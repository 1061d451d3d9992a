"""The channel: sends the pushes of one PushConfig.

It coordinates `window` (which pushes are in memory), `endpoint` (whether to send now, and whose fault a failure is),
`transitions` (the channel's state), `starter` (which push is next), `attempts` (one attempt and its outcome, see
`decision`) and `prober`. Each channel has its own lanes, breaker, rate limit and limit on concurrent attempts, so a
client that hangs does not slow others. All methods run on the event loop and none of them awaits: they are steps of a
state machine, driven by commits, responses, timers and pages from the journal.
"""

import asyncio
from collections.abc import Iterable

import msgspec

from trackpush_api.routing import Destination, Egress, Retry
from trackpush_server.ids import push_id
from trackpush_server.journal.model import Committed
from trackpush_server.journal.slots import slot_of
from trackpush_server.pusher import report
from trackpush_server.pusher.attempts import Attempts
from trackpush_server.pusher.endpoint import Endpoint
from trackpush_server.pusher.hub import Hub
from trackpush_server.pusher.lanes import Lane
from trackpush_server.pusher.live import LivePush
from trackpush_server.pusher.observer import ChannelSnapshot, EndpointHealth, Trouble
from trackpush_server.pusher.outcomes import OutcomeRecorder
from trackpush_server.pusher.prober import Prober
from trackpush_server.pusher.starter import Starter
from trackpush_server.pusher.state import ELSEWHERE_REASON, ChannelStatus, State, resting
from trackpush_server.pusher.transitions import Transitions
from trackpush_server.pusher.trial import Trials
from trackpush_server.pusher.window import Window


class Channel:
    """The pushes of one PushConfig."""

    __slots__ = (
        *(
            "_attempts",
            "_configured_at",
            "_hub",
            "_loop",
            "_prober",
            "_starter",
            "_status",
            "_transitions",
            "_trials",
            "_window",
        ),
        *("endpoint", "name", "slot"),
    )

    def __init__(self, hub: Hub, destination: Destination, egress: Egress) -> None:
        self.name = destination.name
        self.slot = slot_of(destination.name)
        self._hub = hub
        self._loop = asyncio.get_running_loop()
        self._configured_at = hub.wall()
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
        self._trials = Trials(self, hub, self._window, self._attempts)

    # ---- for its parts

    @property
    def state(self) -> State:
        """The state of its endpoint."""
        return self._status.state

    @property
    def retry(self) -> Retry:
        """The retry policy."""
        return self._attempts.destination.retry

    @property
    def is_idle(self) -> bool:
        """Whether no attempt is in flight."""
        return not self._attempts.in_flight

    # ---- configuration

    def configure(self, destination: Destination, egress: Egress) -> None:
        """Apply a new version of the destination. If it differs, the channel starts again with a closed breaker."""
        if self._attempts.is_current(destination, egress) and self.state is not State.UNCONFIGURED:
            return
        if destination.ordered != self._attempts.destination.ordered:
            self._window.rebuild_later()
        self._attempts.renew(destination, egress)
        self._configured_at = self._hub.wall()
        self.endpoint = Endpoint(destination, self._loop.time())
        state, reason = self._resting()
        if state is State.CLOSED:
            self._transitions.close("its PushConfig changed")
        else:
            self._transitions.hold(state, reason)
        self._rebuild_when_idle()
        self.start_ready()

    def unconfigure(self) -> None:
        """Stop sending, because the PushConfig was removed. All pushes wait on disk until it exists again."""
        self._transitions.hold(State.UNCONFIGURED, "its PushConfig was removed")

    def reopen(self) -> bool:
        """Send again to an endpoint that answered 410, with a closed breaker; returns whether it had."""
        if self.state is not State.GONE:
            return False
        self.endpoint = Endpoint(self._attempts.destination, self._loop.time())
        self._transitions.close("reopened by hand")
        self.start_ready()
        return True

    def _resting(self) -> tuple[State, str]:
        return resting(self._attempts.destination, is_owned=self._hub.owns(self.slot))

    # ---- ownership

    def gain(self) -> None:
        """Start sending: this server acquired the slot.

        Reads the pushes from disk, with an endpoint in its initial state.
        """
        if self.state is not State.ELSEWHERE:
            return
        destination = self._attempts.destination
        self._configured_at = self._hub.wall()
        self.endpoint = Endpoint(destination, self._loop.time())
        self._window.rebuild(ordered=destination.ordered)
        self._transitions.enter(*self._resting())
        self.start_ready()

    def hand_over(self) -> None:
        """Start no further attempts, because another replica takes over; attempts in flight end normally."""
        if self.state is not State.UNCONFIGURED:
            self._transitions.hold(State.ELSEWHERE, ELSEWHERE_REASON)

    def lose(self) -> None:
        """Cancel running attempts: another replica may be sending the same pushes."""
        self.hand_over()
        self._attempts.cut()
        self._window.rebuild(ordered=self._attempts.destination.ordered)

    def void(self) -> None:
        """Ignore the answers to attempts in flight: the journal lost commits, so ids may belong to other updates."""
        self._window.lanes.is_void = True
        self.lose()

    # ---- notices from the journal

    def offer(self, committed: Committed) -> None:
        """Add a committed push to memory if there is room; otherwise it waits on disk."""
        if self._window.offer(committed):
            if self.state is State.OPEN:
                self._prober.plan(0.0)
            self.start_ready()

    def stored_elsewhere(self, first_id: int) -> None:
        """Read pushes that another replica stored; ``first_id`` is the lowest of their update ids."""
        self._window.stored_elsewhere(first_id)

    def rescan(self, replayed: Iterable[int] = ()) -> None:
        """Read all pending pushes from disk again, to find those that were skipped during a suspension, or replayed."""
        self._window.rescan(replayed)
        self.start_ready()

    def forget(self, update_ids: frozenset[int]) -> None:
        """Remove pushes that were erased on disk."""
        self._window.lanes.remove(update_ids)

    def drop_account(self, account: str) -> None:
        """Remove a suspended account's pushes from memory: they stay pending on disk until `rescan`."""
        self._window.lanes.drop_account(account)

    def read_again(self) -> None:
        """Try to decrypt unreadable payloads, because the keys changed."""
        self._window.waiting.read_again()
        self.start_ready()

    # ---- attempts

    def start_ready(self, *, refill: bool = True) -> None:
        """Start the pushes that may start now; with ``refill``, then read more from disk if there is room."""
        self._starter.start_ready(refill=refill)

    def start(self, lane: Lane) -> None:
        """Send the head of a lane that is already marked running, out of order: a probe."""
        self._starter.start(lane)

    async def try_now(self, update_id: int) -> asyncio.Event:
        """Start one attempt of a pending push now; see `Trials.start`."""
        return await self._trials.start(update_id)

    def wake_in(self, seconds: float) -> None:
        """Check for work again after this many seconds, or earlier."""
        self._starter.wake_in(seconds)

    def plan_probe(self, delay: float) -> None:
        """Plan a probe, because memory may have a new candidate. Only while the breaker is open."""
        if self.state is State.OPEN and self.is_idle:
            self._prober.plan(delay)

    def attempt_ended(self) -> None:
        """Continue work that had to wait until an attempt ended."""
        self._rebuild_when_idle()
        if not self._hub.owns(self.slot):
            self._window.let_go()
            if self.is_idle:
                self._hub.on_left()
        self.start_ready()

    def _rebuild_when_idle(self) -> None:
        if self._window.needs_rebuild and self.is_idle:
            self._window.rebuild(ordered=self._attempts.destination.ordered)

    # ---- reports

    def snapshot(self) -> ChannelSnapshot:
        """The channel's state for /metrics and the console."""
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

    def live(self, update_id: int, account: str, shipment: str) -> LivePush:
        """The live facts about one pending push."""
        hub, now, timer = self._hub, self._loop.time(), self._prober.timer
        place, head = report.locate(self._window.lanes, update_id=update_id, account=account, shipment=shipment)
        is_head = head is not None and head.update_id == update_id
        facts = report.live_push(
            self._status,
            self.endpoint,
            now=now,
            wall=hub.wall(),
            next_probe_in=None if timer is None else timer.when() - now,
        )
        return msgspec.structs.replace(
            facts,
            is_suspended=self._attempts.destination.suspended,
            is_account_suspended=account in hub.suspended_accounts,
            is_ordered=self._attempts.destination.ordered,
            owner=hub.ownership.owner_of(self.name),
            in_flight=self._attempts.in_flight,
            is_held_back=not hub.may_start,
            place=place,
            behind=None if head is None or is_head else push_id(head.key, self.name),
            configured_at=None if self.state in {State.UNCONFIGURED, State.ELSEWHERE} else self._configured_at,
            last_attempt_at=head.last_attempt_at / 1000 if head is not None and is_head else None,
        )

    def trouble(self) -> Trouble | None:
        """The problem of the endpoint; None while it is healthy, or while sending is stopped on purpose."""
        return report.trouble(self.name, self._status, self.endpoint, self._hub.wall())

    def health(self) -> EndpointHealth | None:
        """The health of the endpoint; None while nothing is sent to it on purpose."""
        return report.health(self.name, self._status, self.endpoint, self._hub.wall())

    async def close(self) -> None:
        """Stop timers and reads, close the connections, and cancel the attempts in flight."""
        self._starter.wake_up.cancel()
        await asyncio.gather(self._prober.close(), self._window.close())
        await self._attempts.close()
