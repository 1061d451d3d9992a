"""The answers to those who are not admitted: a page for browsers, a problem document for programs."""

from typing import Final

from aiohttp import web

from trackpush_server.admin.problems import problem
from trackpush_server.portal.page import page
from trackpush_server.portal.templating import render
from trackpush_server.portal.visitor import KEY

_REFUSED: Final = {
    "invalid": ("Open your link", "This page needs the link that you were sent. Open the whole link again."),
    "expired": ("This link has expired", "Ask the person who sent you the link for a new one."),
    "revoked": ("This link was revoked", "Ask the person who sent you the link for a new one."),
}


class PortalNotices:
    """One page for each reason."""

    def refused(self, request: web.Request, reason: str) -> web.Response:
        title, detail = _REFUSED[reason]
        answer = _notice(request, 401, title, detail)
        answer.headers["WWW-Authenticate"] = 'Bearer realm="trackpush portal"'
        return answer

    def other_host(self, request: web.Request) -> web.Response:
        return _notice(request, 421, "Not this host", "The portal is not served under this name. Check the address.")

    def too_many(self, request: web.Request, seconds: int) -> web.Response:
        answer = _notice(request, 429, "Too many requests", f"Try again in {seconds} s.")
        answer.headers["Retry-After"] = str(seconds)
        return answer

    def no_method(self, request: web.Request) -> web.Response:
        answer = _notice(request, 405, "Not supported", "The portal answers GET, HEAD and POST.")
        answer.headers["Allow"] = "GET, HEAD, POST"
        return answer

    def forged(self, request: web.Request) -> web.Response:
        return _notice(
            request, 403, "Load the page again", "This change does not come from a page of your current session."
        )

    def unavailable(self, request: web.Request) -> web.Response:
        answer = _notice(request, 503, "Not available now", "The server can't read its data now. Try again soon.")
        answer.headers["Retry-After"] = "5"
        return answer

    def missing(self, request: web.Request) -> web.Response:
        if KEY in request and "text/html" in request.headers.get("Accept", ""):
            return page(request, "missing.html", {}, status=404)
        return _notice(request, 404, "Not found", "There is no such page.")


def _notice(request: web.Request, status: int, title: str, detail: str) -> web.Response:
    if "text/html" in request.headers.get("Accept", ""):
        return render("notice.html", {"title": title, "detail": detail}, status=status)
    return problem(status, detail)
