"""Test pushes and signed copies: what an endpoint gets, without a push in the journal.

A test push is a made-up update, rendered and signed as a real one for the PushConfig's URL, over the same transport and
through the same egress guard. Its body has ``"test": true`` (except in the format Raw), and every format has the header
``trackpush-test: 1``. It is not stored, not repeated, and not counted in any statistic of pushes.
"""

import secrets
import time
from collections.abc import Callable
from typing import Annotated, Final, NamedTuple

import msgspec
from msgspec import Meta

from trackpush_aggregators import compose, decode, parse
from trackpush_aggregators.updates import notification
from trackpush_api.routing import Destination, Egress, RoutingTable
from trackpush_api.vocabulary import Aggregator, Status
from trackpush_server.ids import push_id
from trackpush_server.journal.search import PushDetail
from trackpush_server.operations.single_post import post_once
from trackpush_server.outbound.request import content_type
from trackpush_server.pusher import policy, render

TEST_HEADER: Final = "trackpush-test"
MOST_AT_ONCE: Final = 4
_KEY_BYTES: Final = 16


class SamplePushRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """Which PushConfig gets a test push."""

    push_config: Annotated[str, Meta(min_length=3, max_length=512, pattern=r"^[^/]+/[^/]+$")]
    """``namespace/name``."""
    status: Status = Status.DELIVERED
    """The status of the made-up shipment."""


class SamplePushView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The endpoint's answer to a test push."""

    id: str
    """Its ``webhook-id``."""
    push_config: str
    delivered: bool
    http_status: int | None
    error: str | None
    duration_ms: float
    awb: str
    """The made-up AWB."""
    bytes: int
    signed: bool


class Rendered(NamedTuple):
    """One request as it would be sent now; without the client's credentials."""

    headers: dict[str, str]
    body: bytes


class TooManySamplePushesError(Exception):
    """So many test pushes are running that another one must wait."""


class SamplePushes:
    """Sends test pushes. They have their own transport, because leases concern real pushes only."""

    def __init__(self, table: Callable[[], RoutingTable | None], wall: Callable[[], float] = time.time) -> None:
        self._table = table
        self._wall = wall
        self._running = 0

    def check(self, push_config: str) -> tuple[Destination, Egress]:
        """The destination, and the rules of the egress guard.

        Raises:
            LookupError: there is no such PushConfig; the message is for people.
            TooManySamplePushesError: too many are running.
        """
        table = self._table()
        destination = None if table is None else table.destination_by_name.get(push_config)
        if table is None or destination is None:
            raise LookupError(f"no PushConfig {push_config} is served here")
        if self._running >= MOST_AT_ONCE:
            raise TooManySamplePushesError(f"{MOST_AT_ONCE} test pushes are running; try again when one has ended")
        return destination, table.server.egress

    async def send(self, request: SamplePushRequest) -> SamplePushView:
        """Send one test push and wait for the answer. Raises the same errors as `check`."""
        destination, egress = self.check(request.push_config)
        now = self._wall()
        identity = push_id(secrets.token_bytes(_KEY_BYTES), destination.name)
        awb = f"TEST-{secrets.token_hex(4).upper()}"
        made = _sample(destination, identity, awb, request.status, int(now * 1000))
        request_ = sign(destination, identity, made, int(now))
        request_.headers[TEST_HEADER] = "1"
        self._running += 1
        try:
            lines = "".join(f"{name}: {value}\r\n" for name, value in request_.headers.items())
            answer = await post_once(destination, egress, lines.encode("ascii"), request_.body)
        finally:
            self._running -= 1
        delivered = policy.judge(answer) is policy.Verdict.DELIVERED
        return SamplePushView(
            id=identity,
            push_config=destination.name,
            delivered=delivered,
            http_status=answer.status,
            error=None if delivered else policy.reason(answer),
            duration_ms=round(answer.duration * 1000, 1),
            awb=awb,
            bytes=len(made),
            signed=bool(destination.signing),
        )

    def copy(self, detail: PushDetail) -> Rendered:
        """A stored push, rendered and signed as it would be sent now.

        Raises:
            LookupError: its PushConfig is not served here, or its body can't be read; the message is for people.
        """
        push = detail.push
        destination, _ = self.check(push.push_config)
        if detail.unreadable is not None or push.erased_at is not None:
            raise LookupError(f"push {push.push_id}: {detail.unreadable or 'its data was erased'}")
        body = render.push_body(
            destination.payload_format, push.push_id, push.account, detail.notification, detail.body, late=push.late
        )
        made = sign(destination, push.push_id, body, int(self._wall()))
        made.headers["Content-Type"] = content_type(destination)
        return made


def sign(destination: Destination, identity: str, body: bytes, now: int) -> Rendered:
    """A body with the headers of Standard Webhooks; ``now`` in seconds since the epoch."""
    keys = render.signing_keys(destination.signing)
    lines = render.headers(identity, now, body, keys).decode("ascii").splitlines()
    return Rendered(dict(line.split(": ", 1) for line in lines), body)


def _sample(destination: Destination, identity: str, awb: str, status: Status, now: int) -> bytes:
    """A made-up update in the format of the destination."""
    try:
        raw = compose(Aggregator.CLICKPOST, status, awb=awb, order_id=f"ORDER-{awb}", occurred_at=now)
    except ValueError:  # no aggregator's code has this status; the notification gets it nevertheless
        raw = compose(Aggregator.CLICKPOST, Status.IN_TRANSIT, awb=awb, order_id=f"ORDER-{awb}", occurred_at=now)
    (update,) = parse(Aggregator.CLICKPOST, decode(raw), raw, key=None, received_at=now).updates
    told = msgspec.json.encode(notification(msgspec.structs.replace(update, status=status, test=True), now))
    account = f"{destination.name.partition('/')[0]}/test"
    return render.push_body(destination.payload_format, identity, account, told, raw, late=False)
