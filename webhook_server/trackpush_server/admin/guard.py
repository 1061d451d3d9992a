"""Guards the admin port: authentication, cross-site requests, and security headers for browsers.

A change requires the role operate, and a proof that the console or a program sent the request: a bearer token, which no
browser adds by itself, or the session's CSRF token. On loopback without tokens, every user of this machine may make
changes. Then a page of another site in their browser still may not, and only names of loopback are accepted as Host
(against DNS rebinding).
"""

import asyncio
import ipaddress
import secrets
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from trackpush_server.admin.guesses import Guesses, TooManyGuessesError
from trackpush_server.admin.identity import KEY, Identity, address
from trackpush_server.admin.problems import problem
from trackpush_server.admin.sessions import COOKIE, Sessions, same
from trackpush_server.admin.token import AdminToken

CSRF_HEADER: Final = "X-CSRF-Token"
CSRF_FIELD: Final = "csrf"
_OPEN: Final = frozenset({"/livez", "/readyz", "/metrics"})
"""Paths that need no login, because kubelet and Prometheus read them."""
_OPEN_BELOW: Final = ("/console/static/", "/console/login", "/console/oidc/")
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@dataclass(kw_only=True)
class Access:
    """The ways to authenticate."""

    operate: AdminToken | None = None
    view: AdminToken | None = None
    oidc: bool = False
    sessions: Sessions = field(default_factory=Sessions)
    guesses: Guesses = field(default_factory=Guesses)
    _local: Identity = field(
        default_factory=lambda: Identity(actor="local", role="operate", via="local", csrf=secrets.token_urlsafe(32))
    )

    @property
    def is_open(self) -> bool:
        """Whether callers need no authentication."""
        return self.operate is None and self.view is None and not self.oidc

    async def is_still(self, request: web.Request, who: Identity) -> bool:
        """Whether a long response may continue: the session or token of its request is still valid."""
        if who.via == "token":
            return await self.by_token(request.headers.get("Authorization", "")) is not None
        return who.via == "local" or await self.by_session(request) is not None

    async def by_token(self, authorization: str) -> Identity | None:
        if self.operate is not None and await asyncio.to_thread(self.operate.allows, authorization):
            return Identity(actor="token", role="operate", via="token")
        if self.view is not None and await asyncio.to_thread(self.view.allows, authorization):
            return Identity(actor="view token", role="view", via="token")
        return None

    async def who(self, request: web.Request) -> Identity | None:
        if self.is_open:
            return self._local if _is_local(request) else None
        authorization = request.headers.get("Authorization")
        if authorization is not None:
            return await self.checked(authorization, address(request))
        return await self.by_session(request)

    async def checked(self, authorization: str, sender: str) -> Identity | None:
        """Like `by_token`, but the answer to a wrong token is delayed.

        Raises:
            TooManyGuessesError: see `Guesses.wrong`.
        """
        who = await self.by_token(authorization)
        if who is None:
            await self.guesses.wrong(sender)
        return who

    async def by_session(self, request: web.Request) -> Identity | None:
        """The session's owner.

        The token files are read first, because a changed token ends the sessions of the old one.
        """
        cookie = request.cookies.get(COOKIE)
        if cookie is None:
            return None
        for token in (self.operate, self.view):
            if token is not None:
                await asyncio.to_thread(token.refresh)
        return self.sessions.find(cookie)


ACCESS: Final = web.RequestKey("access", Access)


def guard(access: Access) -> Middleware:
    """The middleware; handlers behind it get the caller from `identity`."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        path = request.path
        if path in _OPEN or path.startswith(_OPEN_BELOW):
            return await handler(request)
        try:
            who = await access.who(request)
        except TooManyGuessesError:
            return problem(429, TOO_MANY_GUESSES)
        if who is None:
            return _stranger(request, access)
        if request.method not in _SAFE and not await _is_ours(request, who):
            return problem(403, _FORGED)
        request[KEY] = who
        request[ACCESS] = access
        return await handler(request)

    return check


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Add the security headers to an answer: aiohttp's ``on_response_prepare``. No header names the software."""
    response.headers.pop("Server", None)
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    if request.path not in _OPEN and "Cache-Control" not in response.headers:
        response.headers["Cache-Control"] = "no-store"


async def _is_ours(request: web.Request, who: Identity) -> bool:
    """Whether a change was sent by a page of the console or by a program."""
    if who.via == "token":
        return True
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if who.via == "local" and site is None and origin is None:
        return True
    if site not in {None, "same-origin", "none"}:
        return False
    if origin not in {None, "null"} and not _is_same_host(origin or "", request.host):
        return False
    given = request.headers.get(CSRF_HEADER)
    if given is None and request.content_type in {"application/x-www-form-urlencoded", "multipart/form-data"}:
        field_ = (await request.post()).get(CSRF_FIELD)
        given = field_ if isinstance(field_, str) else None
    return given is not None and same(given, who.csrf)


def _is_same_host(origin: str, host: str) -> bool:
    try:
        return urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:  # an unclosed bracket
        return False


def _stranger(request: web.Request, access: Access) -> web.StreamResponse:
    if access.is_open:
        return problem(403, _REBOUND)
    page = request.path == "/" or request.path.startswith("/console")
    if page and request.method == "GET" and "HX-Request" not in request.headers:
        return web.Response(status=303, headers={"Location": f"/console/login?next={quote(request.path_qs, safe='')}"})
    answer = problem(401, _UNAUTHORIZED)
    answer.headers["WWW-Authenticate"] = 'Bearer realm="trackpush admin"'
    if "HX-Request" in request.headers:
        answer.headers["HX-Redirect"] = "/console/login"
    return answer


def _is_local(request: web.Request) -> bool:
    try:
        host = urlsplit(f"//{request.host}").hostname or ""
    except ValueError:  # an unclosed bracket
        return False
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


TOO_MANY_GUESSES: Final = "Too many wrong tokens are waiting for their answer. Try again in a few seconds."
_FORGED = (
    "This change does not come from a page of this session: load the page again, or send a bearer token instead of the"
    " cookie."
)
_REBOUND = "This admin port needs no token, so it accepts only localhost or an IP address as Host, not this name."
_UNAUTHORIZED = "This path needs the admin token: send Authorization: Bearer and the content of --admin-token-file."
