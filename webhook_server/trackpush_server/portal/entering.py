"""Entering by a link, and leaving."""

from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from trackpush_server.admin.identity import address
from trackpush_server.journal.model import JournalUnavailableError
from trackpush_server.journal.portal_links import PortalLink
from trackpush_server.operations.portal_links import LinkRefusedError, PortalLinks
from trackpush_server.portal.guard import COOKIE, is_same_site
from trackpush_server.portal.hosts import is_loopback_host
from trackpush_server.portal.notices import PortalNotices
from trackpush_server.portal.templating import render

HOME: Final = "/portal/"
_LONGEST: Final = 2048


class Entering:
    """The handlers of entering and leaving."""

    def __init__(
        self, links: PortalLinks, notices: PortalNotices, audit: Callable[[PortalLink, str, str], Awaitable[None]]
    ) -> None:
        """``audit`` records a link, an action and the address that it came from."""
        self._links = links
        self._notices = notices
        self._audit = audit

    async def show(self, _: web.Request) -> web.Response:
        return render("enter.html", {"wrong": ""})

    async def enter(self, request: web.Request) -> web.Response:
        if not is_same_site(request):
            return self._notices.forged(request)
        token = token_of(str((await request.post()).get("token", "")))
        try:
            admitted = await self._links.check(token)
            await self._audit(admitted.link, "portal.enter", address(request))
        except LinkRefusedError as error:
            return self._notices.refused(request, error.reason)
        except JournalUnavailableError:
            return self._notices.unavailable(request)
        answer = web.Response(status=303, headers={"Location": HOME})
        answer.set_cookie(
            COOKIE,
            token,
            path=HOME,
            httponly=True,
            samesite="Strict",
            secure=not is_loopback_host(request.host),
            max_age=max((admitted.link.expires_at - self._links.now) // 1000, 1),
        )
        return answer

    async def leave(self, request: web.Request) -> web.Response:
        if not is_same_site(request):
            return self._notices.forged(request)
        answer = web.Response(status=303, headers={"Location": "/portal/enter"})
        answer.del_cookie(
            COOKIE, path=HOME, httponly=True, samesite="Strict", secure=not is_loopback_host(request.host)
        )
        return answer


def token_of(pasted: str) -> str:
    """The token in what a person pasted: the whole link, or the part after ``#``."""
    return pasted[:_LONGEST].strip().rpartition("#")[2]
