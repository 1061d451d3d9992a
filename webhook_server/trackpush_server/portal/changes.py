"""The changes that a visitor with the role operate may make: try a push, reopen an endpoint, send a test push.

Each is recorded in the audit log with the id of the visitor's link.
"""

from typing import Final

import msgspec
from aiohttp import web

from trackpush_api.vocabulary import Status
from trackpush_server.admin.api import resuming, shapes
from trackpush_server.admin.console.forms import posted
from trackpush_server.admin.identity import Identity, address
from trackpush_server.admin.problems import ProblemError
from trackpush_server.journal.model import PushState
from trackpush_server.operations.sample_push import SamplePushRequest, SamplePushView
from trackpush_server.portal.page import page, scope, see
from trackpush_server.portal.scope import NotOwnError
from trackpush_server.portal.services import SERVICES
from trackpush_server.portal.templating import health_link
from trackpush_server.portal.visitor import visitor

_CANNOT_TRY: Final = "This push can't be tried now. Its page says why it waits."
_CANNOT_REOPEN: Final = "This endpoint did not answer 410, or another process of the server sends to it: try again."


class SamplePushForm(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """Which PushConfig gets a test push."""

    push_config: str = ""
    status: Status = Status.DELIVERED


def identity(request: web.Request) -> Identity:
    """The visitor as the audit log names them."""
    who = visitor(request)
    return Identity(actor=who.actor, role=who.role, via="session")


async def try_now(request: web.Request) -> web.Response:
    """Try a waiting push, then show it."""
    push_id = request.match_info["id"]
    row = (await scope(request).detail(push_id)).push
    if row.state is not PushState.PENDING:
        raise ProblemError(409, f"This push has ended: it is {shapes.STATES[row.state]}.")
    try:
        await resuming.try_now(request.app[SERVICES].desk, identity(request), push_id, address(request))
    except ProblemError:
        raise ProblemError(409, _CANNOT_TRY) from None
    return see(f"/portal/pushes/{push_id}")


async def reopen(request: web.Request) -> web.Response:
    """Send again to an endpoint that answered 410, then show its state."""
    name = f"{request.match_info['namespace']}/{request.match_info['name']}"
    await scope(request).push_config(name)
    try:
        await resuming.reopen(request.app[SERVICES].desk, identity(request), name, address(request))
    except ProblemError:
        raise ProblemError(409, _CANNOT_REOPEN) from None
    return see(health_link(name))


async def test_form(request: web.Request) -> web.Response:
    """The form for a test push."""
    return _test_page(request, scope(request).served(), None, request.query.get("pushConfig", ""), Status.DELIVERED)


async def test_push(request: web.Request) -> web.Response:
    """Send a test push and show the endpoint's answer."""
    own, desk = scope(request), request.app[SERVICES].desk
    form = await posted(request, SamplePushForm)
    if not own.serves(form.push_config):
        raise NotOwnError
    wanted = SamplePushRequest(push_config=form.push_config, status=form.status)
    desk.test_pushes.check(wanted.push_config)
    target = f"PushConfig {wanted.push_config}, status {wanted.status.value}"
    await desk.audit(identity(request), "push.test", target, address(request))
    sent = await desk.test_pushes.send(wanted)
    return _test_page(request, own.served(), sent, form.push_config, form.status)


def _test_page(
    request: web.Request, served: tuple[str, ...], sent: SamplePushView | None, chosen: str, status: Status
) -> web.Response:
    context = {
        "served": served,
        "sent": sent,
        "chosen": chosen,
        "status": status.value,
        "statuses": [entry.value for entry in Status],
    }
    return page(request, "test.html", context, active="test")
