"""A client's authorization server on loopback (RFC 6749, section 4.4): issues tokens, and records the requests."""

import asyncio
import base64
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs, unquote_plus

import msgspec
from aiohttp import web

from trackpush_api.routing import OAuth2

CLIENT, SECRET = "track:push", "s3cret +&%/"
"""With characters that must be form-urlencoded before they are joined by a colon."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One token request."""

    form: dict[str, str]
    headers: dict[str, str]

    @property
    def credentials(self) -> tuple[str, str] | None:
        """Id and secret, from wherever they stand."""
        if "client_id" in self.form:
            return self.form["client_id"], self.form.get("client_secret", "")
        scheme, _, value = self.headers.get("authorization", "").partition(" ")
        if scheme != "Basic":
            return None
        user, _, password = base64.b64decode(value).decode().partition(":")
        return unquote_plus(user), unquote_plus(password)

    @property
    def way(self) -> str:
        """``basic`` or ``post``."""
        return "post" if "client_id" in self.form else "basic"


Override = Callable[[Asked], Awaitable[web.Response]]


class Authority:
    """Start it with `open_authority`."""

    def __init__(self, *, tls: bool) -> None:
        self.asked: list[Asked] = []
        self.issued: list[str] = []
        self.valid: set[str] = set()
        """Tokens that a client's endpoint takes; a test revokes one by removing it."""
        self.secret = SECRET
        self.ways = {"basic", "post"}
        self.answer: dict[str, Any] = {"token_type": "Bearer", "expires_in": 3600}
        """What is answered beside the token."""
        self.override: Override | None = None
        self.port = 0
        self._scheme = "https" if tls else "http"

    @property
    def url(self) -> str:
        """The token URL."""
        return f"{self._scheme}://127.0.0.1:{self.port}/oauth2/token?tenant=1"

    @property
    def credentials(self) -> OAuth2:
        """What a destination needs to know of it."""
        return OAuth2(token_url=self.url, client_id=CLIENT, client_secret=SECRET, scopes=("push", "track:write"))

    async def handle(self, request: web.Request) -> web.Response:
        """Answer one token request."""
        fields = parse_qs((await request.read()).decode("ascii"), strict_parsing=True)
        asked = Asked(
            form={name: value for name, (value,) in fields.items()},
            headers={name.lower(): value for name, value in request.headers.items()},
        )
        self.asked.append(asked)
        if self.override is not None:
            return await self.override(asked)
        if asked.way not in self.ways or asked.credentials != (CLIENT, self.secret):
            return web.json_response({"error": "invalid_client"}, status=401)
        return self.grant()

    def grant(self) -> web.Response:
        """A new token."""
        token = f"token-{len(self.issued) + 1}-of-acme"
        self.issued.append(token)
        self.valid.add(token)
        return web.json_response({"access_token": token, **self.answer})

    def takes(self, authorization: str) -> bool:
        """Whether a push with this header is authorized."""
        return authorization.removeprefix("Bearer ") in self.valid


@contextlib.asynccontextmanager
async def open_authority(*, context: ssl.SSLContext | None = None, port: int = 0) -> AsyncIterator[Authority]:
    """A listening authorization server."""
    authority = Authority(tls=context is not None)
    application = web.Application()
    application.router.add_post("/oauth2/token", authority.handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port, ssl_context=context).start()
        authority.port = runner.addresses[0][1]
        yield authority
    finally:
        await runner.cleanup()


def failing(status: int, body: str = "", headers: dict[str, str] | None = None) -> Override:
    """Answer every token request like this."""

    async def answer(_: Asked) -> web.Response:
        return web.Response(status=status, text=body, headers=headers)

    return answer


async def hanging(_: Asked) -> web.Response:
    """Never answer."""
    await asyncio.Event().wait()
    raise AssertionError
