"""Changes of a channel's state, with their effects on its probes and on its pushes in memory."""

from typing import Protocol

from trackpush_server.outbound.port import Answer
from trackpush_server.pusher import policy
from trackpush_server.pusher.endpoint import Endpoint, News
from trackpush_server.pusher.hub import Hub
from trackpush_server.pusher.prober import Prober
from trackpush_server.pusher.state import HELD, ChannelStatus, State
from trackpush_server.pusher.window import Window


class TransitionsOwner(Protocol):
    """The part of the channel that transitions use."""

    endpoint: Endpoint

    @property
    def is_idle(self) -> bool:
        """Whether no attempt is in flight."""
        ...


class Transitions:
    """Performs the state changes of one channel."""

    __slots__ = ("_hub", "_owner", "_prober", "_status", "_window")

    def __init__(
        self, owner: TransitionsOwner, hub: Hub, status: ChannelStatus, window: Window, prober: Prober
    ) -> None:
        self._owner = owner
        self._hub = hub
        self._status = status
        self._window = window
        self._prober = prober

    def enter(self, state: State, reason: str) -> None:
        """Change to this state, and cancel a planned probe."""
        self._prober.cancel()
        self._status.enter(state, reason)

    def close(self, reason: str) -> None:
        """Close the breaker: pushes that waited for the endpoint are sent."""
        self.enter(State.CLOSED, reason)
        self._window.waiting.resume_waiting()

    def hold(self, state: State, reason: str) -> None:
        """Stop sending, and remove the pushes from memory: they wait on disk."""
        self.enter(state, reason)
        self._window.let_go()

    def follow(self, answer: Answer, news: News) -> None:
        """Change the state after a response; independent of the push's outcome."""
        state = self._status.state
        if state in HELD:
            return
        if news.gone:
            self.hold(State.GONE, policy.loggable(answer))
        elif news.opened:
            self.enter(State.OPEN, policy.loggable(answer))
            self._window.shrink()
            self._plan_probe(answer)
        elif state is State.OPEN:
            self._follow_while_open(answer, news)

    def _follow_while_open(self, answer: Answer, news: News) -> None:
        if news.closed:
            self.close("a push was delivered")
        elif not news.delivered:
            if news.answers_again:
                self._window.waiting.resume_untold()
            if self._owner.is_idle:
                self._plan_probe(answer)

    def _plan_probe(self, answer: Answer) -> None:
        self._prober.plan(self._owner.endpoint.probe_delay(answer, self._hub.chance()))
