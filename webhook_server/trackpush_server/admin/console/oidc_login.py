"""Login at an OpenID provider: the redirect to it and the return.

The session's cookie is SameSite=Strict, so a browser doesn't send it when it returns from another site. Therefore the
return shows a page of the console, which redirects by script. Meanwhile the state is in a short-lived Lax cookie.
"""

import time
from typing import Final

import msgspec
import structlog
from aiohttp import web
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from trackpush_runtime.log_throttle import LogThrottle
from trackpush_server.admin.console.links import see
from trackpush_server.admin.console.login import Login, where
from trackpush_server.admin.console.oidc import Oidc, OidcError, Ticket
from trackpush_server.admin.console.templating import page
from trackpush_server.admin.identity import address
from trackpush_server.admin.sessions import same

_COOKIE: Final = "trackpush_login"
_PATH: Final = "/console/oidc/"
_SECONDS: Final = 600
_MOST_USED = 1000
"""Number of used states that are remembered, so that none is accepted twice."""
_ALGORITHM: Final = "HS256"
_log = structlog.get_logger("trackpush.console")


class OidcLogin:
    """The handlers of this login."""

    def __init__(self, oidc: Oidc, login: Login, *, secure: bool) -> None:
        self._oidc = oidc
        self._login = login
        self._secure = secure
        self._key = OctKey.generate_key(256)
        """Signing key of this process: a login must end at the process where it started."""
        self._used: dict[str, None] = {}
        self._throttle = LogThrottle()

    async def leave(self, request: web.Request) -> web.Response:
        try:
            ticket, url = await self._oidc.begin(where(request.query.get("next")))
        except OidcError as error:
            return self._refused(request, str(error), status=502)
        response = see(url)
        response.set_cookie(
            _COOKIE,
            self._sealed(ticket),
            path=_PATH,
            httponly=True,
            samesite="Lax",
            secure=self._secure,
            max_age=_SECONDS,
        )
        return response

    async def arrive(self, request: web.Request) -> web.Response:
        ticket = self._ticket(request)
        if ticket is None:
            return self._refused(request, "This login was not started here, or took too long. Try again.", status=400)
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

    def _sealed(self, ticket: Ticket) -> str:
        """The ticket, signed, for the browser to store.

        The server stores no tickets, because strangers may start many logins.
        """
        claims = {**msgspec.to_builtins(ticket), "exp": int(time.time()) + _SECONDS}
        return jwt.encode({"alg": _ALGORITHM}, claims, self._key, algorithms=[_ALGORITHM])

    def _ticket(self, request: web.Request) -> Ticket | None:
        """The ticket of a login that this browser started; accepted only once."""
        try:
            decoded = jwt.decode(request.cookies.get(_COOKIE, ""), self._key, algorithms=[_ALGORITHM])
            jwt.JWTClaimsRegistry(exp={"essential": True}).validate(decoded.claims)
            ticket = msgspec.convert(decoded.claims, type=Ticket)
        except (JoseError, ValueError):
            return None
        if ticket.state in self._used or not same(request.query.get("state", ""), ticket.state):
            return None
        self._used[ticket.state] = None
        while len(self._used) > _MOST_USED:
            del self._used[next(iter(self._used))]
        return ticket

    def _refused(self, request: web.Request, detail: str, *, status: int) -> web.Response:
        held_back = self._throttle.allow("refused")
        if held_back is not None:
            _log.warning("login_refused", address=address(request), reason=detail, held_back=held_back)
        return page(request, "wrong.html", {"title": "Not logged in", "detail": detail}, status=status)
