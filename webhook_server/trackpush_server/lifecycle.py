"""What a server and a standby have in common: they load the resources, and run until a signal."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator
from typing import Protocol

from trackpush_api.printable import printable
from trackpush_runtime import sockets
from trackpush_runtime.errors import CannotStartError
from trackpush_server import logs
from trackpush_server.config.watch import ConfigWatcher
from trackpush_server.options import ServeOptions

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_INTERRUPTED = 130


class RunningServer(Protocol):
    """A server or a standby."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


async def run_until_signal(server: RunningServer, options: ServeOptions) -> None:
    """Run until the first signal, then stop; a second one ends the process immediately.

    Raises:
        CannotStartError: the server can't start.
    """
    logs.configure(options.log_format)
    sockets.raise_descriptor_limit()
    asyncio.get_running_loop().set_exception_handler(logs.on_loop_error)
    stop = asyncio.Event()
    with _set_at_signals(stop):
        await server.start()
        await stop.wait()
        await server.stop()


async def load(watcher: ConfigWatcher, options: ServeOptions) -> None:
    """Load the resources for a start.

    Raises:
        CannotStartError: they can't be read, or have mistakes.
    """
    try:
        loaded = await watcher.load()
    except OSError as error:
        raise CannotStartError(f"{options.folder}: {error.strerror}; name a folder of resources") from None
    if loaded.table is None and not loaded.waits:
        raise CannotStartError("\n".join(map(printable, loaded.problems)))


@contextlib.contextmanager
def _set_at_signals(stop: asyncio.Event) -> Iterator[None]:
    """Within the block, the first signal sets ``stop``; a second one ends the process immediately."""

    def on_signal() -> None:
        if stop.is_set():
            os._exit(_INTERRUPTED)
        stop.set()

    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, on_signal)
    try:
        yield
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
