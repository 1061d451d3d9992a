"""The inbox: unrecognised bodies, requests with unknown keys, unknown codes; parse bodies again in three steps."""

from typing import Final

import msgspec
from aiohttp import web

from trackpush_server.admin.aggregators import counted_codes
from trackpush_server.admin.api import inbox as api
from trackpush_server.admin.console.forms import asked, posted
from trackpush_server.admin.console.links import link, plain, see
from trackpush_server.admin.console.templating import page
from trackpush_server.admin.desk import AdminServices
from trackpush_server.admin.identity import address, identity
from trackpush_server.admin.problems import ProblemError
from trackpush_server.ids import parse_inbox_id
from trackpush_server.journal.inbox import InboxQuery
from trackpush_server.operations.inbox import InboxRetryRequest

_CODES: Final = 20
"""Unknown codes on the page; another page has all."""
RETRY_SECONDS: Final = 1.0
"""Seconds for which the answer waits for the end of a retry, so that a short one needs no second page."""


class InboxPages:
    """The handlers of these pages."""

    def __init__(self, desk: AdminServices) -> None:
        self._desk = desk

    async def overview(self, request: web.Request) -> web.Response:
        """Everything that arrived and could not be used, and the bodies, newest first."""
        query = asked(request, api.InboxParams, limit=50)
        found = await self._desk.lookup.list_unrecognised(
            InboxQuery(account=query.account, client=query.client, before=query.before, limit=query.limit)
        )
        context = {
            "rows": [api.unrecognised(row) for row in found.rows],
            "accounts": [api.unrecognised_account(count) for count in await self._desk.lookup.count_unrecognised()],
            "query": query,
            "older": link(request, before=found.older),
            "keys": self._desk.unknown_keys(),
            "codes": counted_codes(self._desk.unknown_codes(), limit=_CODES, plain=plain(request)),
        }
        return page(request, "inbox.html", context, active="inbox")

    async def body(self, request: web.Request) -> web.Response:
        """One unrecognised body."""
        key = parse_inbox_id(request.match_info["id"])
        entry = await self._desk.lookup.show_unrecognised(key)
        if entry is None:
            raise ProblemError(404, "There is no such body; it was recognised, dropped, erased or has expired.")
        whole = api.unrecognised_whole(entry, plain=plain(request))
        return page(request, "inbox-body.html", {"whole": whole, "found": whole.unrecognised}, active="inbox")

    async def check(self, request: web.Request) -> web.Response:
        """Count the bodies of a retry, and ask for confirmation."""
        _operate(request)
        wanted = await posted(request, InboxRetryRequest)
        self._desk.inbox.check(wanted)
        context = {"wanted": wanted, "total": await self._count(wanted), "fields": _fields(wanted)}
        return page(request, "inbox-retry.html", context, active="inbox")

    async def start(self, request: web.Request) -> web.Response:
        """Start the retry, after it is in the audit log."""
        _operate(request)
        wanted = await posted(request, InboxRetryRequest)
        view = await api.retry(self._desk, identity(request), wanted, address(request))
        await self._desk.inbox.jobs.wait(view.id, RETRY_SECONDS)
        return see(f"/console/inbox/retries/{view.id}")

    async def progress(self, request: web.Request) -> web.Response:
        """The progress and the results of a retry."""
        view = self._desk.inbox.jobs.get(request.match_info["id"])
        if view is None:
            raise ProblemError(410, "This retry belongs to another process of the server, or it ended too long ago.")
        return page(request, "inbox-progress.html", {"view": view}, active="inbox")

    async def end(self, request: web.Request) -> web.Response:
        """Cancel a retry; its results so far stay."""
        _operate(request)
        job = request.match_info["id"]
        await self._desk.audit(identity(request), "inbox.end", job, address(request))
        await self._desk.inbox.jobs.cancel(job)
        return see(f"/console/inbox/retries/{job}")

    async def _count(self, wanted: InboxRetryRequest) -> int:
        """The number of bodies that the retry would parse."""
        if wanted.ids:
            return len(wanted.ids)
        counts = await self._desk.lookup.count_unrecognised()
        return sum(
            count.entries
            for count in counts
            if wanted.all
            or count.account == wanted.account
            or (wanted.client is not None and count.account.startswith(f"{wanted.client}/"))
        )


def _operate(request: web.Request) -> None:
    if not identity(request).operates:
        raise ProblemError(403, "Your role is view: only the role operate may parse bodies again.")


def _fields(wanted: InboxRetryRequest) -> list[tuple[str, str]]:
    """The hidden fields of the form that starts the retry."""
    fields = [("ids", identifier) for identifier in wanted.ids]
    given = msgspec.to_builtins(wanted)
    fields += [(name, str(given[name])) for name in ("account", "client") if given[name] is not None]
    return [*fields, *([("all", "true")] if wanted.all else [])]
