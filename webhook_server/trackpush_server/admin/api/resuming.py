"""The operations that end a wait: try one push now, and reopen an endpoint that answered 410."""

import asyncio
import contextlib
from typing import Final

import msgspec

from trackpush_server.admin.api import explained, shapes
from trackpush_server.admin.api.operation import ApiCall, operation
from trackpush_server.admin.api.reading import PUSH_ID, overview
from trackpush_server.admin.clients import PushConfigHealth
from trackpush_server.admin.desk import AdminServices
from trackpush_server.admin.identity import Identity, address
from trackpush_server.admin.problems import ProblemError
from trackpush_server.journal.model import PushState
from trackpush_server.journal.search import parse_cursor
from trackpush_server.pusher.trial import CannotTryError

WAIT: Final = 15.0
"""Seconds for which the answer waits for the end of the attempt."""


class TriedPush(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The push after the attempt."""

    push: shapes.Push
    attempt: shapes.Attempt | None
    """The attempt; null if it has not ended yet, or if the push was too old for one."""


@operation("POST", "/pushes/{id}/try", errors=(404, 409), path_patterns={"id": PUSH_ID})
async def try_push(call: ApiCall) -> TriedPush:
    """Make one attempt of a pending push now."""
    return await try_now(call.desk, call.identity, call.path["id"], address(call.request))


@operation("POST", "/push-configs/{namespace}/{name}/reopen", errors=(404, 409))
async def reopen_push_config(call: ApiCall) -> PushConfigHealth:
    """Send again to an endpoint that answered 410."""
    name = f"{call.path['namespace']}/{call.path['name']}"
    await reopen(call.desk, call.identity, name, address(call.request))
    return (await overview(call.desk)).push_config(name)


OPERATIONS: Final = (try_push, reopen_push_config)


async def try_now(desk: AdminServices, who: Identity, push_id: str, came_from: str) -> TriedPush:
    """Try a push now, after this was recorded in the audit log.

    Raises:
        ProblemError: there is no such push, it has ended, or it can't be tried now.
        JournalUnavailableError: the journal can't be read, or the audit log can't be written.
    """
    before = await desk.lookup.show(push_id)
    if before is None:
        raise ProblemError(404, f"no push {push_id}: retention may have deleted it")
    row = before.push
    if row.state is not PushState.PENDING:
        raise ProblemError(
            409, f"push {push_id} is {shapes.STATES[row.state]}, not pending; replay it to send it again"
        )
    position = parse_cursor(row.cursor)
    assert position is not None
    live = desk.live(row.push_config, update_id=position[0], account=row.account, shipment=row.shipment)
    heads = await desk.lookup.lane_heads([row.cursor]) if live.is_ordered else {}
    if (head := live.behind or heads.get(row.cursor)) is not None:
        raise ProblemError(409, f"push {push_id} waits for an earlier push of its shipment; try that one: {head}")
    await desk.audit(who, "push.try", push_id, came_from)
    try:
        ended = await desk.try_now(row.push_config, position[0])
    except CannotTryError as error:
        owner = "" if live.owner is None else f" ({live.owner})"
        raise ProblemError(409, f"push {push_id} can't be tried now: {error}{owner}") from None
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(ended.wait(), WAIT)
        await desk.flush()
    after = await desk.lookup.show(push_id) or before
    tried = [attempt for attempt in after.attempts if attempt.number > row.tries]
    whole = await explained.push_whole(desk, after, plain=who.operates)
    return TriedPush(push=whole.push, attempt=shapes.attempt(tried[-1], plain=who.operates) if tried else None)


async def reopen(desk: AdminServices, who: Identity, name: str, came_from: str) -> None:
    """Reopen an endpoint, after this was recorded in the audit log.

    Raises:
        ProblemError: the PushConfig is unknown, or its endpoint did not answer 410.
        JournalUnavailableError: the audit log can't be written.
    """
    known = await overview(desk)
    if not known.knows(name):
        raise ProblemError(404, f"no PushConfig {name}: neither the routing table nor the journal has it")
    state = known.push_config(name).state
    if state != "gone":
        raise ProblemError(409, f"the endpoint of {name} is not gone ({state}): nothing to reopen{_hint(desk, name)}")
    await desk.audit(who, "endpoint.reopen", f"PushConfig {name}", came_from)
    desk.reopen(name)


def _hint(desk: AdminServices, name: str) -> str:
    """Which replica to ask instead."""
    owner = desk.live(name, update_id=0, account="", shipment="").owner
    return "" if owner is None else f". Replica {owner} sends its pushes: use the admin port of that one"
