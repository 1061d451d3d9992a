"""Case (a), what everything is compared with: an aiohttp handler that reads the body and answers 200, and no more."""

import argparse
import asyncio
import json
import signal

from aiohttp import web


async def handle(request: web.Request) -> web.Response:
    """Read and answer."""
    await request.read()
    return web.Response()


async def serve(port: int) -> None:
    """Serve until SIGTERM; prints the port as one JSON line."""
    application = web.Application()
    application.router.add_post("/{path:.*}", handle)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    print(json.dumps({"port": runner.addresses[0][1]}), flush=True)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    await runner.cleanup()


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    asyncio.run(serve(parser.parse_args().port))


if __name__ == "__main__":
    main()
