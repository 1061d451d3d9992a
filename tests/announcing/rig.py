"""An announcer on a real journal and a real transport, with facts that the test sets."""

import base64
import contextlib
import hashlib
import hmac
from collections.abc import AsyncIterator

import msgspec

from journal.stores import Store
from support.deadline import until
from support.sink import Arrival, Sink
from trackpush_api.routing import (
    Account,
    AnnouncementTarget,
    Destination,
    Egress,
    RoutingTable,
    ServerSettings,
)
from trackpush_server.announcing.announcer import Announcer, Pace
from trackpush_server.announcing.scope import scope_of
from trackpush_server.announcing.sending import MessageSender
from trackpush_server.announcing.storm import Widths
from trackpush_server.journal.ports import Journal
from trackpush_server.journal.slots import Ownership, SingleOwner
from trackpush_server.outbound.transport import HttpTransport
from trackpush_server.pusher.observer import EndpointHealth, Trouble
from trackpush_server.silence.activity import AccountActivity

SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()
LOOPBACK = Egress(https_only=False, allowed_cidrs=("127.0.0.0/8",))
FAST = Pace(every=0.02, widths=Widths(shortest=60_000, longest=900_000))
START = 1_760_000_000.0


class Told:
    """The facts: what a server would know."""

    def __init__(self) -> None:
        self.endpoints: dict[str, EndpointHealth] = {}
        self.accounts: dict[str, AccountActivity] = {}
        self.looks = 0

    def endpoint(self, push_config: str) -> EndpointHealth | None:
        self.looks += 1
        return self.endpoints.get(push_config)

    def account(self, name: str) -> AccountActivity | None:
        return self.accounts.get(name)

    def fails(self, *names: str, gone: bool = False, since: float = START) -> None:
        for name in names:
            trouble = Trouble(push_config=name, gone=gone, since=since, cause="HTTP 503", failures=5)
            self.endpoints[name] = EndpointHealth(trouble=trouble)

    def delivers(self, *names: str, at: float) -> None:
        for name in names:
            self.endpoints[name] = EndpointHealth(delivered_at=at)


class Counted:
    """The observer."""

    def __init__(self) -> None:
        self.results: list[str] = []
        self.pending = -1
        self.rounds = 0

    def attempted(self, result: str) -> None:
        self.results.append(result)

    def waits(self, messages: int) -> None:
        self.pending = messages
        self.rounds += 1


class Clock:
    """Seconds since the epoch, as the test says."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


class Rig:
    """One running announcer."""

    def __init__(self, announcer: Announcer, counted: Counted, journal: Journal) -> None:
        self.announcer = announcer
        self.counted = counted
        self.journal = journal

    async def rounds(self, number: int = 2) -> None:
        """Wait until so many whole rounds have passed; a running one may have begun before the call."""
        end = self.counted.rounds + number + 1
        await until(lambda: self.counted.rounds >= end, seconds=30, what="rounds of the announcer")


def target(
    sink: Sink | str, *, name: str = "WebhookServer/trackpush/main/slack", slack: bool = False
) -> AnnouncementTarget:
    return AnnouncementTarget(
        name=name,
        url=sink if isinstance(sink, str) else sink.url,
        format="Slack" if slack else "StandardWebhooks",
        signing=() if slack else (SECRET,),
    )


def table(
    *targets: AnnouncementTarget, push_configs: int = 1, accounts: int = 1, egress: Egress = LOOPBACK
) -> RoutingTable:
    """``acme/oms-0…`` and ``acme/account-0…`` with these targets of the server."""
    return RoutingTable(
        server=ServerSettings(name="trackpush/main", egress=egress, announcement_targets=targets),
        destinations=tuple(Destination(name=f"acme/oms-{n}", url="https://x.example/") for n in range(push_configs)),
        accounts=tuple(
            Account(name=f"acme/account-{n}", aggregator="Clickpost", key_digests=(), destinations=("acme/oms-0",))
            for n in range(accounts)
        ),
    )


@contextlib.asynccontextmanager
async def announcing(
    journal: Journal,
    told: Told,
    served: RoutingTable,
    *,
    clock: Clock,
    ownership: Ownership | None = None,
) -> AsyncIterator[Rig]:
    """An announcer that runs until the block ends."""
    transport, counted = HttpTransport(), Counted()
    announcer = Announcer(
        journal.announcements,
        MessageSender(journal.announcements, transport, counted, wall=clock, chance=lambda: 0.5),
        told,
        ownership or SingleOwner(),
        counted,
        wall=clock,
        pace=FAST,
    )
    announcer.take(scope_of(served))
    try:
        async with announcer.running():
            yield Rig(announcer, counted, journal)
    finally:
        await transport.close()


@contextlib.asynccontextmanager
async def started(store: Store, told: Told, served: RoutingTable, *, clock: Clock) -> AsyncIterator[Rig]:
    """A journal and an announcer, as of one start of a server."""
    async with store.open() as opened, announcing(opened.journal, told, served, clock=clock) as rig:
        yield rig


def is_signed(arrival: Arrival, secret: str = SECRET) -> bool:
    """Whether the signature is right, computed as in the specification of Standard Webhooks."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{arrival.webhook_id}.{arrival.headers['webhook-timestamp']}.".encode() + arrival.body
    wanted = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return arrival.headers["webhook-signature"] == wanted


def counts(arrival: Arrival) -> dict[str, int]:
    """Events of a message by kind."""
    found: dict[str, int] = msgspec.json.decode(arrival.body)["data"]["counts"]
    return found
