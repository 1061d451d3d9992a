"""The page about signatures: the functions in five languages, and a signed example of the client's own pushes."""

from typing import Final

import msgspec
from aiohttp import web

from trackpush_server.admin.console.forms import posted
from trackpush_server.admin.identity import address
from trackpush_server.admin.problems import ProblemError
from trackpush_server.journal.search import PushQuery
from trackpush_server.portal.changes import identity
from trackpush_server.portal.page import page, scope
from trackpush_server.portal.scope import NotOwnError
from trackpush_server.portal.services import SERVICES
from trackpush_server.portal.snippets import SNIPPETS

_NO_EXAMPLE: Final = "This PushConfig has no push that can be shown: send a test push instead."


class ExampleForm(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """Whose newest push to show."""

    push_config: str = ""


class SignedExample(msgspec.Struct, frozen=True, kw_only=True):
    """A push of the client, signed now."""

    push_config: str
    headers: dict[str, str]
    body: str


async def show(request: web.Request) -> web.Response:
    """The functions."""
    return _page(request, None)


async def example(request: web.Request) -> web.Response:
    """The newest push of a PushConfig with its signature and exact body, as it would be sent now."""
    own, desk = scope(request), request.app[SERVICES].desk
    name = (await posted(request, ExampleForm)).push_config
    if not own.serves(name):
        raise NotOwnError
    newest = (await own.pushes(PushQuery(push_config=name, limit=1))).pushes
    if not newest:
        raise ProblemError(404, _NO_EXAMPLE)
    detail = await own.detail(newest[0].id)
    try:
        copy = desk.test_pushes.copy(detail)
    except LookupError:
        raise ProblemError(404, _NO_EXAMPLE) from None
    await desk.audit(identity(request), "push.copy", f"PushConfig {name}, {newest[0].id}", address(request))
    headers = {header: value for header, value in copy.headers.items() if header.startswith("webhook-")}
    return _page(request, SignedExample(push_config=name, headers=headers, body=copy.body.decode("utf-8", "replace")))


def _page(request: web.Request, found: SignedExample | None) -> web.Response:
    table = request.app[SERVICES].desk.table()
    served = scope(request).served()
    signed = [name for name in served if table is not None and table.destination_by_name[name].signing]
    context = {"snippets": SNIPPETS, "served": served, "signed": signed, "example": found}
    return page(request, "verify.html", context, active="verify")
