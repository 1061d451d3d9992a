"""The HTTP client for one version of a destination.

It has the sender, and the parts of each request that are fixed by the configuration.
"""

import asyncio
from collections.abc import Callable

from trackpush_api.routing import Destination, Egress
from trackpush_server.ids import push_id
from trackpush_server.outbound.port import Answer, Sender
from trackpush_server.pusher import render
from trackpush_server.pusher.hub import Hub
from trackpush_server.pusher.lanes import PendingPush
from trackpush_server.tracing.port import Sending, TracedAttempt, Tracing


class DestinationClient:
    """Sends pushes to one version of a destination.

    When it is replaced, it closes its connections after the last attempt.
    """

    __slots__ = (
        "_closing",
        "_egress",
        "_keys",
        "_retired",
        "_sender",
        "_tells_trace",
        "_tracing",
        "_transport",
        "destination",
        "in_flight",
    )

    def __init__(self, hub: Hub, destination: Destination, egress: Egress) -> None:
        self.destination = destination
        self.in_flight = 0
        self._transport = hub.transport
        self._egress = egress
        self._sender: Sender | None = None
        """Created at the first push. It takes 3 KB, and most of thousands of clients have no pushes for a while."""
        self._keys = render.signing_keys(destination.signing)
        self._tracing = hub.tracing
        self._tells_trace = render.TRACE_HEADER not in {name.lower() for name, _ in destination.headers}
        self._retired = False
        self._closing: asyncio.Task[None] | None = None

    def send(self, push: PendingPush, now: float, done: Callable[[asyncio.Future[Answer]], None]) -> None:
        """Start one attempt; ``now`` in seconds since the epoch."""
        self.in_flight += 1
        identity = push_id(push.key, self.destination.name)
        body = self._body(push, identity)
        headers = render.headers(identity, int(now), body, self._keys)
        if push.replays:
            headers += render.replay_header(push.replays)
        attempt = None if self._tracing is None else self._begin_span(self._tracing, push, identity)
        if attempt is not None and self._tells_trace:
            headers += render.trace_header(attempt.traceparent)
        if self._sender is None:
            self._sender = self._transport.sender(self.destination, self._egress)
        answer = self._sender.post(headers, body)
        if attempt is not None:
            answer.add_done_callback(attempt.ended)
        answer.add_done_callback(done)

    def _begin_span(self, tracing: Tracing, push: PendingPush, identity: str) -> TracedAttempt:
        sending = Sending(
            trace=push.trace,
            url=self.destination.url,
            push_config=self.destination.name,
            account=push.account,
            push_id=identity,
            tries=push.tries,
        )
        return tracing.send(sending)

    def finished(self) -> None:
        """Call when an attempt has ended."""
        self.in_flight -= 1
        if self._retired:
            self._close_when_idle()

    def retire(self) -> None:
        """Send nothing more with this client, and close it when no attempt is in flight."""
        self._retired = True
        self._close_when_idle()

    def cut(self) -> None:
        """Cancel the attempts in flight, and send nothing more with this client."""
        self._retired = True
        self._begin_to_close()

    async def close(self) -> None:
        """Close the connections now."""
        self._begin_to_close()
        if self._closing is not None:
            await self._closing

    def _close_when_idle(self) -> None:
        if not self.in_flight:
            self._begin_to_close()

    def _begin_to_close(self) -> None:
        if self._sender is not None and self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self._sender.close())

    def _body(self, push: PendingPush, identity: str) -> bytes:
        if push.notification is None or push.body is None:
            raise RuntimeError(f"push {identity}: its payload is not loaded")
        form = self.destination.payload_format
        return render.push_body(form, identity, push.account, push.notification, push.body, late=push.late)
