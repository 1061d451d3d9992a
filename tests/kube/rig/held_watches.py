"""A proxy between the kubelet and the API server that can hold back what the watches of Secrets show.

So the kubelet's cache of Secrets is stale while its watch of pods is not, as after an outage of the API server. The
proxy speaks HTTP/1.1 only: each watch then has a connection of its own.

`python held_watches.py LISTEN-ADDRESS PORT API-ADDRESS API-PORT CA CERTIFICATE KEY`; SIGUSR1: hold, SIGUSR2: let go.
"""

import asyncio
import contextlib
import re
import signal
import ssl
import sys
from typing import Final

_WATCH: Final = re.compile(rb"GET /api/v1/namespaces/[^/ ]+/secrets\?[^ ]*watch=true")
_METHOD: Final = re.compile(rb"[A-Z]+ /")
_MOST: Final = 1 << 16


class Proxy:
    """Relays connections to one address."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext) -> None:
        self._target = (host, port, context)
        self.open = asyncio.Event()
        """Not set: what watches of Secrets show waits."""
        self.open.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of the kubelet."""
        host, port, context = self._target
        is_held = False

        async def requests() -> None:
            nonlocal is_held
            while data := await reader.read(_MOST):
                if _METHOD.match(data):
                    is_held = _WATCH.match(data) is not None
                above.write(data)
                await above.drain()

        async def answers() -> None:
            while data := await below.read(_MOST):
                if is_held:
                    await self.open.wait()
                writer.write(data)
                await writer.drain()

        with contextlib.suppress(OSError):
            below, above = await asyncio.open_connection(host, port, ssl=context)
            tasks = [asyncio.create_task(requests()), asyncio.create_task(answers())]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            above.close()
        writer.close()


async def main(arguments: list[str]) -> None:
    """Serve until killed."""
    listen, port, host, api_port, ca, certificate, key = arguments
    mine = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    mine.load_cert_chain(certificate, key)
    proxy = Proxy(host, int(api_port), ssl.create_default_context(cafile=ca))
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, proxy.open.clear)
    loop.add_signal_handler(signal.SIGUSR2, proxy.open.set)
    server = await asyncio.start_server(proxy.serve, listen, int(port), ssl=mine)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
