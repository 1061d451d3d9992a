"""Guards the portal: Host, rates, the session's link, and requests from other sites.

A session is the link's token in a cookie. So it survives restarts, and every replica accepts it; the link is checked
with each request.
"""

import math
import time
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from trackpush_server.admin.sessions import same
from trackpush_server.journal.model import JournalUnavailableError
from trackpush_server.operations.portal_links import AdmittedLink, LinkRefusedError, PortalLinks
from trackpush_server.portal.allowance import Allowance
from trackpush_server.portal.hosts import is_accepted
from trackpush_server.portal.notices import PortalNotices
from trackpush_server.portal.visitor import KEY, PortalVisitor, visitor

COOKIE: Final = "trackpush_portal"
CSRF_HEADER: Final = "X-CSRF-Token"
CSRF_FIELD: Final = "csrf"
ENTER: Final = "/portal/enter"
_OPEN: Final = frozenset({ENTER, "/portal/leave", "/robots.txt", "/favicon.ico", "/"})
_OPEN_BELOW: Final = "/portal/static/"
_METHODS: Final = frozenset({"GET", "HEAD", "POST"})
_SAFE: Final = frozenset({"GET", "HEAD"})
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex, nofollow",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class PortalRates:
    """The rates of one portal: for each address, and for each link."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._by_address = Allowance(rate=100, burst=400)
        """Of requests without a link. Behind an Ingress, everybody shares its address, so it limits no visitor."""
        self._by_link = Allowance(rate=20, burst=120)

    def wait(self, request: web.Request, link_id: str | None) -> float:
        """Seconds until the request may be sent; 0: now. ``link_id``: of a signed token; None without one."""
        if link_id is None:
            return self._by_address.take(request.remote or "", self._clock())
        return self._by_link.take(link_id, self._clock())


def guard(
    links: PortalLinks, *, host: Callable[[], str | None], rates: PortalRates, notices: PortalNotices
) -> Middleware:
    """The middleware; handlers behind it get the visitor from `visitor`.

    Args:
        links: checks the links.
        host: returns the host name of the portal; None: only loopback.
        rates: limits the requests.
        notices: the pages for those who are not admitted.
    """

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not is_accepted(request.host, configured=host(), peer=request.remote):
            return notices.other_host(request)
        if wait := rates.wait(request, links.signed_id(presented(request))):
            return notices.too_many(request, math.ceil(wait))
        if request.method not in _METHODS:
            return notices.no_method(request)
        is_open = request.path in _OPEN or request.path.startswith(_OPEN_BELOW)
        refused = None if is_open else await _admit(request, links, notices)
        return await _answered(request, handler, notices) if refused is None else refused

    return check


async def _admit(request: web.Request, links: PortalLinks, notices: PortalNotices) -> web.Response | None:
    """Put the visitor on the request; returns an answer if the request is refused."""
    try:
        admitted = await links.check(presented(request))
    except LinkRefusedError as error:
        return notices.refused(request, error.reason)
    except JournalUnavailableError:
        return notices.unavailable(request)
    request[KEY] = _visitor(admitted)
    if request.method not in _SAFE and not await is_own(request):
        return notices.forged(request)
    return None


async def _answered(request: web.Request, handler: Handler, notices: PortalNotices) -> web.StreamResponse:
    """The handler's answer; for a path or method without a handler, the portal's own notice."""
    try:
        return await handler(request)
    except web.HTTPNotFound:
        return notices.missing(request)
    except web.HTTPMethodNotAllowed:
        return notices.no_method(request)
    except JournalUnavailableError:
        return notices.unavailable(request)


async def add_headers(_: web.Request, response: web.StreamResponse) -> None:
    """Add the security headers to an answer: aiohttp's ``on_response_prepare``. No header names the software."""
    response.headers.pop("Server", None)
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Cache-Control", "no-store")


def presented(request: web.Request) -> str:
    """The token of a request: a program's bearer token, otherwise the cookie; empty if there is none."""
    authorization = request.headers.get("Authorization")
    if authorization is not None:
        scheme, _, token = authorization.partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""
    return request.cookies.get(COOKIE, "")


def is_same_site(request: web.Request) -> bool:
    """Whether no header says that a page of another site sent the request."""
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site not in {None, "same-origin", "none"}:
        return False
    if origin is None:
        return True
    if origin == "null":  # forms of pages with the policy no-referrer send this, also those of the portal
        return site is not None
    try:
        return urlsplit(origin).netloc.lower() == request.host.lower()
    except ValueError:  # an unclosed bracket
        return False


async def is_own(request: web.Request) -> bool:
    """Whether a change was sent by a page of this session, or by a program with the token."""
    if "Authorization" in request.headers:
        return True  # no browser adds a bearer token by itself
    if not is_same_site(request):
        return False
    given = request.headers.get(CSRF_HEADER)
    if given is None and request.content_type == "application/x-www-form-urlencoded":
        sent = (await request.post()).get(CSRF_FIELD)
        given = sent if isinstance(sent, str) else None
    return given is not None and same(given, visitor(request).csrf)


def _visitor(admitted: AdmittedLink) -> PortalVisitor:
    link = admitted.link
    return PortalVisitor(
        client=link.client, role=link.role, link_id=link.id, expires_at=link.expires_at, csrf=admitted.csrf
    )
