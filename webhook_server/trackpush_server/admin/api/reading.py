"""The operations that read: pushes, shipments, clients, PushConfigs, charts, configuration, the audit log."""

from datetime import datetime
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from trackpush_api.vocabulary import Status
from trackpush_server.admin import loaded
from trackpush_server.admin.api import shapes
from trackpush_server.admin.api.operation import Call, Operation
from trackpush_server.admin.api.problems import ProblemError
from trackpush_server.admin.clients import ClientHealth, Overview, PushConfigHealth, State
from trackpush_server.admin.desk import Desk
from trackpush_server.journal.lookup import MOST_ROWS, PushQuery, ShipmentQuery
from trackpush_server.journal.port import PushState
from trackpush_server.telemetry.windows import Point
from trackpush_server.updates import rfc3339

Limit = Annotated[int, Meta(ge=1, le=MOST_ROWS, description="At most so many.")]
Text = Annotated[str, Meta(min_length=1, max_length=256)]
Cursor = Annotated[str, Meta(min_length=1, max_length=64)]
Name = Annotated[
    str, Meta(min_length=3, max_length=512, pattern=r"^[^/]+/[^/]+$", description="namespace/name of the resource.")
]
PUSH_ID: Final = r"^psh_[0-9a-f]{32}-[0-9a-f]{8}$"


class Params(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """What stands behind the ``?``."""


class PushesParams(Params, frozen=True, kw_only=True):
    """Which pushes; what is absent accepts all."""

    awb: Text | None = None
    """The update's AWB or the AWB of its forward leg."""
    order_id: Text | None = None
    client: Text | None = None
    """A namespace."""
    push_config: Name | None = None
    account: Name | None = None
    status: Status | None = None
    state: shapes.StateName | None = None
    since: datetime | None = None
    """Received at or after this time, RFC 3339."""
    until: datetime | None = None
    """Received before it."""
    limit: Limit = 50
    cursor: Cursor | None = None
    newer: bool = False


class ShipmentParams(Params, frozen=True, kw_only=True):
    """Which part of a shipment's story."""

    client: Text | None = None
    after: Annotated[int, Meta(ge=0, le=(1 << 63) - 1)] = 0
    limit: Limit = 100


class ClientsParams(Params, frozen=True, kw_only=True):
    """Which clients."""

    state: State | None = None
    after: Annotated[str, Meta(max_length=512)] = ""
    limit: Limit = 100


class PushConfigsParams(ClientsParams, frozen=True, kw_only=True):
    """Which PushConfigs."""

    client: Text | None = None


class SeriesParams(Params, frozen=True, kw_only=True):
    """Of what."""

    push_config: Name | None = None
    """Of this PushConfig in steps of a minute; absent: of the whole server in steps of 15 seconds."""


class ConfigParams(Params, frozen=True, kw_only=True):
    """Which part of the configuration."""

    client: Text | None = None
    after: Annotated[str, Meta(max_length=512)] = ""
    limit: Limit = 100


class AuditsParams(Params, frozen=True, kw_only=True):
    """Which part of the audit log."""

    before: Annotated[int, Meta(ge=1, le=(1 << 63) - 1)] | None = None
    limit: Limit = 100


class Clients(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A page of clients, by name; ``after`` goes on."""

    clients: tuple[ClientHealth, ...]
    after: str | None


class PushConfigs(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A page of PushConfigs, by name; ``after`` goes on."""

    push_configs: tuple[PushConfigHealth, ...]
    after: str | None


class Series(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The last hour in steps of so many seconds."""

    step_seconds: int
    points: tuple[Point, ...]


class Audit(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Who asked the server to do what."""

    id: int
    at: shapes.Time
    actor: str
    role: Literal["view", "operate"]
    action: str
    target: str
    address: str


class Audits(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A page of the audit log, newest first; ``before`` goes on."""

    audits: tuple[Audit, ...]
    before: int | None


class Reading:
    """The handlers."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def operations(self) -> tuple[Operation, ...]:
        """All that read."""
        return (
            Operation(
                method="GET",
                path="/pushes",
                name="listPushes",
                summary="Pushes that match, newest first",
                handler=self.pushes,
                query=PushesParams,
                answer=shapes.Pushes,
            ),
            Operation(
                method="GET",
                path="/pushes/{id}",
                name="getPush",
                summary="One push with its attempts and bodies",
                handler=self.push,
                answer=shapes.PushWhole,
                errors=(404,),
                path_patterns={"id": PUSH_ID},
            ),
            Operation(
                method="GET",
                path="/shipments/{shipment}",
                name="getShipment",
                summary="A shipment's story: every update, push and attempt; by AWB, forward AWB or shipment",
                handler=self.shipment,
                query=ShipmentParams,
                answer=shapes.Shipment,
            ),
            Operation(
                method="GET",
                path="/clients",
                name="listClients",
                summary="Clients and how they are",
                handler=self.clients,
                query=ClientsParams,
                answer=Clients,
            ),
            Operation(
                method="GET",
                path="/push-configs",
                name="listPushConfigs",
                summary="PushConfigs: success rate, latency, queue age, breaker, next try",
                handler=self.push_configs,
                query=PushConfigsParams,
                answer=PushConfigs,
            ),
            Operation(
                method="GET",
                path="/push-configs/{namespace}/{name}",
                name="getPushConfig",
                summary="One PushConfig",
                handler=self.push_config,
                answer=PushConfigHealth,
                errors=(404,),
            ),
            Operation(
                method="GET",
                path="/series",
                name="getSeries",
                summary="Rates, latency and queue age of the last hour",
                handler=self.series,
                query=SeriesParams,
                answer=Series,
            ),
            Operation(
                method="GET",
                path="/config",
                name="getConfig",
                summary="What configuration is loaded, without secrets",
                handler=self.config,
                query=ConfigParams,
                answer=loaded.Configuration,
            ),
            Operation(
                method="GET",
                path="/audits",
                name="listAudits",
                summary="The audit log, newest first",
                handler=self.audits,
                query=AuditsParams,
                answer=Audits,
            ),
        )

    async def pushes(self, call: Call) -> shapes.Pushes:
        """See `operations`."""
        return shapes.pushes(await self._desk.lookup.list_pushes(query(call.query)), plain=call.identity.operates)

    async def push(self, call: Call) -> shapes.PushWhole:
        """See `operations`."""
        detail = await self._desk.lookup.show(call.path["id"])
        if detail is None:
            raise ProblemError(404, f"no push {call.path['id']}: it may be older than the retention")
        return shapes.push_whole(detail, plain=call.identity.operates)

    async def shipment(self, call: Call) -> shapes.Shipment:
        """See `operations`."""
        asked = ShipmentQuery(
            shipment=call.path["shipment"], client=call.query.client, after=call.query.after, limit=call.query.limit
        )
        return shapes.shipment(await self._desk.lookup.timeline(asked), plain=call.identity.operates)

    async def clients(self, call: Call) -> Clients:
        """See `operations`."""
        asked: ClientsParams = call.query
        found = (await overview(self._desk)).clients(state=asked.state, after=asked.after, limit=asked.limit)
        return Clients(clients=found, after=found[-1].name if len(found) == asked.limit else None)

    async def push_configs(self, call: Call) -> PushConfigs:
        """See `operations`."""
        asked: PushConfigsParams = call.query
        found = (await overview(self._desk)).push_configs(
            client=asked.client, state=asked.state, after=asked.after, limit=asked.limit
        )
        return PushConfigs(push_configs=found, after=found[-1].name if len(found) == asked.limit else None)

    async def push_config(self, call: Call) -> PushConfigHealth:
        """See `operations`."""
        name = f"{call.path['namespace']}/{call.path['name']}"
        known = await overview(self._desk)
        if not known.knows(name):
            raise ProblemError(404, f"no PushConfig {name}: neither the routing table nor the journal has it")
        return known.push_config(name)

    async def series(self, call: Call) -> Series:
        """See `operations`."""
        name = call.query.push_config
        ring = self._desk.windows.server if name is None else self._desk.windows.of(name)
        return Series(step_seconds=ring.seconds, points=ring.points(self._desk.wall()))

    async def config(self, call: Call) -> loaded.Configuration:
        """See `operations`."""
        asked: ConfigParams = call.query
        return loaded.configuration(
            self._desk.report(), self._desk.table(), client=asked.client, after=asked.after, limit=asked.limit
        )

    async def audits(self, call: Call) -> Audits:
        """See `operations`."""
        asked: AuditsParams = call.query
        rows = await self._desk.lookup.audits(before=asked.before, limit=asked.limit)
        return Audits(
            audits=tuple(
                Audit(
                    id=row.id,
                    at=rfc3339(row.at),
                    actor=row.actor,
                    role=row.role,
                    action=row.action,
                    target=row.target,
                    address=row.address,
                )
                for row in rows
            ),
            before=rows[-1].id if len(rows) == asked.limit else None,
        )


async def overview(desk: Desk) -> Overview:
    """How everything is now."""
    return Overview(
        channels=desk.channels(),
        counts=await desk.sampler.counts(),
        windows=desk.windows,
        table=desk.table(),
        now=desk.wall(),
    )


def query(asked: PushesParams) -> PushQuery:
    """The journal's query."""
    return PushQuery(
        awb=asked.awb,
        order_id=asked.order_id,
        client=asked.client,
        push_config=asked.push_config,
        account=asked.account,
        status=asked.status,
        state=None if asked.state is None else PushState[asked.state.upper()],
        since=_milliseconds(asked.since),
        until=_milliseconds(asked.until),
        limit=asked.limit,
        cursor=asked.cursor,
        newer=asked.newer,
    )


def _milliseconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp() * 1000)
