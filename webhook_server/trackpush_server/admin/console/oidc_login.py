"""Log-in at an OpenID provider: there and back again.

The session's cookie is SameSite=Strict, which a browser doesn't send on its way back from another site. So the way
back ends at a page of ours that goes on by itself; what has to survive the way is in a short-lived Lax cookie.
"""

import time
from collections import OrderedDict
from typing import Final

import structlog
from aiohttp import web

from trackpush_server.admin.console.links import see
from trackpush_server.admin.console.login import Login, where
from trackpush_server.admin.console.oidc import Oidc, OidcError, Ticket
from trackpush_server.admin.console.templating import page
from trackpush_server.admin.identity import address
from trackpush_server.admin.sessions import same

_COOKIE: Final = "trackpush_login"
_PATH: Final = "/console/oidc/"
_SECONDS: Final = 600
_MOST = 1000
_log = structlog.get_logger("trackpush.console")


class OidcLogin:
    """The handlers."""

    def __init__(self, oidc: Oidc, login: Login, *, secure: bool) -> None:
        self._oidc = oidc
        self._login = login
        self._secure = secure
        self._under_way: OrderedDict[str, tuple[float, Ticket]] = OrderedDict()

    async def leave(self, request: web.Request) -> web.Response:
        """To the provider."""
        try:
            ticket, url = await self._oidc.begin(where(request.query.get("next")))
        except OidcError as error:
            return self._refused(request, str(error), status=502)
        self._under_way[ticket.state] = (time.monotonic(), ticket)
        while len(self._under_way) > _MOST:
            self._under_way.popitem(last=False)
        response = see(url)
        response.set_cookie(
            _COOKIE, ticket.state, path=_PATH, httponly=True, samesite="Lax", secure=self._secure, max_age=_SECONDS
        )
        return response

    async def arrive(self, request: web.Request) -> web.Response:
        """Back from it."""
        ticket = self._ticket(request)
        if ticket is None:
            return self._refused(request, "This log-in was not begun here, or took too long. Try again.", status=400)
        code = request.query.get("code")
        if not code:
            told = request.query.get("error", "no code")[:64]
            return self._refused(request, f"{self._oidc.name} did not log you in: {told}", status=403)
        try:
            person = await self._oidc.finish(ticket, code)
        except OidcError as error:
            return self._refused(request, str(error), status=403)
        response = page(request, "back.html", {"after": ticket.after})
        response.del_cookie(_COOKIE, path=_PATH)
        self._login.begin(response, actor=person.actor, role=person.role)
        _log.info("login", actor=person.actor, role=person.role, address=address(request))
        return response

    def _ticket(self, request: web.Request) -> Ticket | None:
        """Of a log-in that this browser began, once."""
        state, held = request.query.get("state", ""), request.cookies.get(_COOKIE, "")
        if not same(state, held):
            return None
        begun, ticket = self._under_way.pop(state, (0.0, None))
        return ticket if ticket is not None and time.monotonic() - begun < _SECONDS else None

    def _refused(self, request: web.Request, detail: str, *, status: int) -> web.Response:
        _log.warning("login_refused", address=address(request), reason=detail)
        return page(request, "wrong.html", {"title": "Not logged in", "detail": detail}, status=status)
