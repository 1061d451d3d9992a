"""The operations that only read: pushes, shipments, clients, PushConfigs, charts, configuration, the audit log."""

from datetime import datetime
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from trackpush_aggregators.updates import rfc3339
from trackpush_api.vocabulary import Status
from trackpush_server.admin import loaded
from trackpush_server.admin.accounts import AccountList, accounts
from trackpush_server.admin.api import explained, shapes
from trackpush_server.admin.api.operation import ApiCall, operation
from trackpush_server.admin.clients import ClientHealth, Overview, PushConfigHealth, State
from trackpush_server.admin.desk import AdminServices
from trackpush_server.admin.problems import ProblemError
from trackpush_server.journal import error_class
from trackpush_server.journal.model import PushState
from trackpush_server.journal.search import MOST_ROWS, PushQuery, ShipmentQuery, parse_awbs
from trackpush_server.silence.activity import ActivityState
from trackpush_server.telemetry.windows import Point

Limit = Annotated[int, Meta(ge=1, le=MOST_ROWS, description="Maximum number of entries.")]
Text = Annotated[str, Meta(min_length=1, max_length=256)]
Cursor = Annotated[str, Meta(min_length=1, max_length=64)]
Name = Annotated[
    str, Meta(min_length=3, max_length=512, pattern=r"^[^/]+/[^/]+$", description="namespace/name of the resource.")
]
MOST_TEXT: Final = 4096
"""Characters of a list of AWBs."""
PUSH_ID: Final = r"^psh_[0-9a-f]{32}-[0-9a-f]{8}$"


class Params(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """The query string, without the ``?``."""


class PushSelection(Params, frozen=True, kw_only=True):
    """Selects pushes; absent fields accept all."""

    awb: Annotated[str, Meta(min_length=1, max_length=MOST_TEXT)] | None = None
    """The update's AWB or the AWB of its forward leg. A list, by commas, blanks or line breaks, is allowed."""
    order_id: Text | None = None
    client: Text | None = None
    """A namespace."""
    push_config: Name | None = None
    account: Name | None = None
    status: Status | None = None
    state: shapes.StateName | None = None
    since: datetime | None = None
    """Only pushes of updates received at or after this time, RFC 3339."""
    until: datetime | None = None
    """Only pushes of updates received before this time, RFC 3339."""
    ended_since: datetime | None = None
    """Only pushes that were delivered, dropped or given up at or after this time, RFC 3339."""
    ended_until: datetime | None = None
    """Only pushes that were delivered, dropped or given up before this time, RFC 3339."""
    error: Text | None = None
    """Only pushes with an error of one of these classes, separated by commas: 4xx, 422, 5xx, timeout, too-old."""


class PushesParams(PushSelection, frozen=True, kw_only=True):
    """Selects pushes; absent fields accept all."""

    limit: Limit = 50
    cursor: Cursor | None = None
    newer: bool = False


class ShipmentParams(Params, frozen=True, kw_only=True):
    """Selects a part of a shipment's history."""

    client: Text | None = None
    after: Annotated[int, Meta(ge=0, le=(1 << 63) - 1)] = 0
    limit: Limit = 100


class ClientsParams(Params, frozen=True, kw_only=True):
    """Selects clients."""

    state: State | None = None
    after: Annotated[str, Meta(max_length=512)] = ""
    limit: Limit = 100


class PushConfigsParams(ClientsParams, frozen=True, kw_only=True):
    """Selects PushConfigs."""

    client: Text | None = None


class AccountsParams(Params, frozen=True, kw_only=True):
    """Selects accounts; absent fields accept all."""

    client: Text | None = None
    """A namespace."""
    state: ActivityState | None = None
    after: Annotated[str, Meta(max_length=512)] = ""
    limit: Limit = 100


class SeriesParams(Params, frozen=True, kw_only=True):
    """Selects a time series."""

    push_config: Name | None = None
    """The PushConfig, in steps of a minute; if absent, the whole server in steps of 15 seconds."""


class ConfigParams(Params, frozen=True, kw_only=True):
    """Selects a part of the configuration."""

    client: Text | None = None
    after: Annotated[str, Meta(max_length=512)] = ""
    limit: Limit = 100


class AuditsParams(Params, frozen=True, kw_only=True):
    """Selects a part of the audit log."""

    before: Annotated[int, Meta(ge=1, le=(1 << 63) - 1)] | None = None
    limit: Limit = 100


class Clients(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A page of clients by name, starting after the client ``after``."""

    clients: tuple[ClientHealth, ...]
    after: str | None


class PushConfigs(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A page of PushConfigs by name, starting after the PushConfig ``after``."""

    push_configs: tuple[PushConfigHealth, ...]
    after: str | None


class Series(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The last hour in steps."""

    step_seconds: int
    points: tuple[Point, ...]


class Audit(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One entry of the audit log: who did what."""

    id: int
    at: shapes.Time
    actor: str
    role: Literal["view", "operate"]
    action: str
    target: str
    address: str


class Audits(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A page of the audit log, newest first, before the entry ``before``."""

    audits: tuple[Audit, ...]
    before: int | None


@operation("GET", "/pushes")
async def list_pushes(call: ApiCall, query: PushesParams) -> shapes.Pushes:
    """Pushes that match, newest first."""
    page = await call.desk.lookup.list_pushes(push_query(query))
    return await explained.pushes(call.desk, page, plain=call.identity.operates)


@operation("GET", "/pushes/{id}", errors=(404,), path_patterns={"id": PUSH_ID})
async def get_push(call: ApiCall) -> shapes.PushWhole:
    """One push with its attempts and bodies."""
    detail = await call.desk.lookup.show(call.path["id"])
    if detail is None:
        raise ProblemError(404, f"no push {call.path['id']}: retention may have deleted it")
    return await explained.push_whole(call.desk, detail, plain=call.identity.operates)


@operation("GET", "/shipments/{shipment}")
async def get_shipment(call: ApiCall, query: ShipmentParams) -> shapes.Shipment:
    """A shipment's history: every update, push and attempt; by AWB, forward AWB or shipment."""
    asked = ShipmentQuery(shipment=call.path["shipment"], client=query.client, after=query.after, limit=query.limit)
    return await explained.shipment(call.desk, await call.desk.lookup.timeline(asked), plain=call.identity.operates)


@operation("GET", "/clients")
async def list_clients(call: ApiCall, query: ClientsParams) -> Clients:
    """Clients and their state."""
    found = (await overview(call.desk)).clients(state=query.state, after=query.after, limit=query.limit)
    return Clients(clients=found, after=found[-1].name if len(found) == query.limit else None)


@operation("GET", "/push-configs")
async def list_push_configs(call: ApiCall, query: PushConfigsParams) -> PushConfigs:
    """PushConfigs: success rate, latency, queue age, breaker, next try."""
    found = (await overview(call.desk)).push_configs(
        client=query.client, state=query.state, after=query.after, limit=query.limit
    )
    return PushConfigs(push_configs=found, after=found[-1].name if len(found) == query.limit else None)


@operation("GET", "/push-configs/{namespace}/{name}", errors=(404,))
async def get_push_config(call: ApiCall) -> PushConfigHealth:
    """One PushConfig."""
    name = f"{call.path['namespace']}/{call.path['name']}"
    known = await overview(call.desk)
    if not known.knows(name):
        raise ProblemError(404, f"no PushConfig {name}: neither the routing table nor the journal has it")
    return known.push_config(name)


@operation("GET", "/series")
async def get_series(call: ApiCall, query: SeriesParams) -> Series:
    """Rates, latency and queue age of the last hour."""
    name = query.push_config
    ring = call.desk.windows.server if name is None else call.desk.windows.of(name)
    return Series(step_seconds=ring.seconds, points=ring.points(call.desk.wall()))


@operation("GET", "/config")
async def get_config(call: ApiCall, query: ConfigParams) -> loaded.Configuration:
    """The loaded configuration, without secrets."""
    return loaded.configuration(
        call.desk.report(), call.desk.table(), client=query.client, after=query.after, limit=query.limit
    )


@operation("GET", "/audits")
async def list_audits(call: ApiCall, query: AuditsParams) -> Audits:
    """The audit log, newest first."""
    rows = await call.desk.lookup.audits(before=query.before, limit=query.limit)
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
        before=rows[-1].id if len(rows) == query.limit else None,
    )


@operation("GET", "/accounts")
async def list_accounts(call: ApiCall, query: AccountsParams) -> AccountList:
    """Accounts (AggregatorWebhooks), and when their aggregators last sent an update."""
    found = await call.desk.activity()
    return accounts(found, client=query.client, state=query.state, after=query.after, limit=query.limit)


OPERATIONS: Final = (
    *(list_pushes, get_push, get_shipment),
    *(list_clients, list_accounts, list_push_configs, get_push_config),
    *(get_series, get_config, list_audits),
)


async def overview(desk: AdminServices) -> Overview:
    return Overview(
        channels=desk.channels(),
        counts=await desk.sampler.counts(),
        windows=desk.windows,
        table=desk.table(),
        now=desk.wall(),
    )


def push_query(asked: PushSelection) -> PushQuery:
    query = PushQuery(
        awbs=parse_awbs(asked.awb or ""),
        order_id=asked.order_id,
        client=asked.client,
        push_config=asked.push_config,
        account=asked.account,
        status=asked.status,
        state=None if asked.state is None else PushState[asked.state.upper()],
        since=_milliseconds(asked.since),
        until=_milliseconds(asked.until),
        ended_since=_milliseconds(asked.ended_since),
        ended_until=_milliseconds(asked.ended_until),
        errors=() if asked.error is None else error_class.parse_error_classes(asked.error),
    )
    if not isinstance(asked, PushesParams):
        return query
    return msgspec.structs.replace(query, limit=asked.limit, cursor=asked.cursor, newer=asked.newer)


def _milliseconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp() * 1000)
