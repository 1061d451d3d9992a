"""Login by token, and logout. The cookie is HttpOnly and SameSite; over TLS it is Secure."""

from typing import Final

from aiohttp import web

from trackpush_server.admin.console.links import see
from trackpush_server.admin.console.templating import page
from trackpush_server.admin.guard import TOO_MANY_GUESSES, Access
from trackpush_server.admin.guesses import TooManyGuessesError
from trackpush_server.admin.identity import Role, address
from trackpush_server.admin.sessions import COOKIE, LIFETIME
from trackpush_server.admin.token import AdminToken

HOME: Final = "/console/"


class Login:
    """The handlers of login and logout."""

    def __init__(self, access: Access, *, secure: bool, provider: str | None = None) -> None:
        """``secure``: browsers use TLS. ``provider`` is the name on the button of the OIDC login."""
        self._access = access
        self._secure = secure
        self._provider = provider

    async def show(self, request: web.Request) -> web.Response:
        if self._access.is_open or await self._access.by_session(request) is not None:
            return see(where(request.query.get("next")))
        return self._form(request)

    async def enter(self, request: web.Request) -> web.Response:
        if request.headers.get("Sec-Fetch-Site") not in {None, "same-origin", "none"}:
            return self._form(request, "The form was sent from another site.", status=403)
        form = await request.post()
        after = where(str(form.get("next", "")))
        given = str(form.get("token", "")).strip()
        try:
            who = await self._access.checked(f"Bearer {given}", address(request)) if given else None
        except TooManyGuessesError:
            return self._form(request, TOO_MANY_GUESSES, after=after, status=429)
        token = None if who is None else (self._access.operate if who.operates else self._access.view)
        if who is None or token is None:
            return self._form(request, "This is not a token of this server.", after=after, status=401)
        response = see(after)
        self.begin(response, actor=who.actor, role=who.role, token=token)
        return response

    async def leave(self, request: web.Request) -> web.Response:
        self._access.sessions.end(request.cookies.get(COOKIE))
        response = see("/console/login")
        response.del_cookie(COOKIE, path="/", httponly=True, samesite="Strict", secure=self._secure)
        return response

    def begin(self, response: web.StreamResponse, *, actor: str, role: Role, token: AdminToken | None = None) -> None:
        """Start a session, and set its cookie on this response; the session ends when the token changes."""
        fingerprint = None if token is None else token.fingerprint
        value = self._access.sessions.begin(actor, role, lambda: token is None or token.fingerprint == fingerprint)
        response.set_cookie(
            COOKIE, value, path="/", httponly=True, samesite="Strict", secure=self._secure, max_age=int(LIFETIME)
        )

    def _form(
        self, request: web.Request, wrong: str = "", *, after: str | None = None, status: int = 200
    ) -> web.Response:
        tokens = self._access.operate is not None or self._access.view is not None
        context = {
            "wrong": wrong,
            "next": after or where(request.query.get("next")),
            "tokens": tokens,
            "provider": self._provider,
        }
        return page(request, "login.html", context, status=status)


def where(given: str | None, home: str = HOME) -> str:
    """The path of the page to redirect to, after a login for example: one below ``home``."""
    inside = given is not None and given.startswith(home) and "\\" not in given and given.isprintable()
    return given if given is not None and inside else home
