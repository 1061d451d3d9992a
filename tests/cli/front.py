"""What may stand in front of a server: a proxy on loopback that passes on, or spoils, what it is given."""

import contextlib
import ssl
from collections.abc import AsyncIterator

import aiohttp
from aiohttp import web


class Front:
    """Passes every request on to ``upstream``; the attributes say what it does wrong."""

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.drops_underscores = False
        self.drops: frozenset[str] = frozenset()
        """Names of headers, in lower case, that it does not pass on."""
        self.redirects = False
        self.most_body = 16 * 1024 * 1024
        self.answers: int | None = None
        """Answers everything with this status and a page."""
        self.port = 0

    async def handle(self, request: web.Request) -> web.Response:
        """One request."""
        body = await request.read()
        if self.redirects:
            return web.Response(status=308, headers={"Location": f"https://other.example{request.path}"})
        if self.answers is not None:
            return web.Response(status=self.answers, text="<html>nginx</html>", headers={"Server": "nginx"})
        if len(body) > self.most_body:
            return web.Response(status=413, text="<html>too large</html>", headers={"Server": "nginx"})
        kept = {name: value for name, value in request.headers.items() if not self._drops(name)}
        async with (
            aiohttp.ClientSession(auto_decompress=False) as session,
            session.request(
                request.method, f"http://{self.upstream}{request.path_qs}", data=body, headers=kept
            ) as reply,
        ):
            return web.Response(status=reply.status, body=await reply.read(), content_type="application/json")

    def _drops(self, name: str) -> bool:
        return (self.drops_underscores and "_" in name) or name.lower() in self.drops


@contextlib.asynccontextmanager
async def standing(upstream: str, tls: ssl.SSLContext | None = None) -> AsyncIterator[Front]:
    """A proxy on a free port."""
    front = Front(upstream)
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_route("*", "/{path:.*}", front.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        front.port = runner.addresses[0][1]
        yield front
    finally:
        await runner.cleanup()
