"""The resolver: resolves each name at most once in a few seconds, outside the event loop.

Thousands of reconnects must not become thousands of lookups, and a name server that hangs must delay only the clients
of its names. So there is at most one lookup per name at a time, each in its own thread: getaddrinfo can't be
interrupted, and lookups that hang would fill the loop's thread pool. The results are not checked here: the guard checks
every address for every connection, even a cached one.
"""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable

import msgspec

from trackpush_server.outbound.failures import AttemptError
from trackpush_server.outbound.port import Failure

Lookup = Callable[[str], list[str]]
"""Returns the addresses of a name in order of preference, or raises OSError. Blocking."""

_TTL = 5.0
_FAILURE_TTL = 1.0
_MOST_NAMES = 4096
_MOST_LOOKUPS = 64


def system_lookup(host: str) -> list[str]:
    """The addresses from the system's resolver (RFC 6724 order).

    Raises:
        OSError: the name has no address.
    """
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class _Entry(msgspec.Struct, frozen=True):
    expires: float
    result: list[str] | AttemptError


class Resolver:
    """Used on one event loop."""

    def __init__(self, lookup: Lookup = system_lookup, *, ttl: float = _TTL) -> None:
        self._lookup = lookup
        self._ttl = ttl
        self._cache: dict[str, _Entry] = {}
        self._running: dict[str, asyncio.Task[_Entry]] = {}
        self._slots = asyncio.Semaphore(_MOST_LOOKUPS)

    async def addresses(self, host: str) -> list[str]:
        """The addresses of a name, at most a few seconds old.

        Raises:
            AttemptError: DNS.
        """
        entry = self._cache.get(host)
        if entry is None or entry.expires <= time.monotonic():
            task = self._running.get(host)
            if task is None:
                task = self._running[host] = asyncio.get_running_loop().create_task(self._look_up(host))
            entry = await asyncio.shield(task)
        if isinstance(entry.result, AttemptError):
            raise AttemptError(entry.result.failure, entry.result.detail)
        return entry.result

    async def close(self) -> None:
        """Forget all running lookups; their threads end by themselves."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _look_up(self, host: str) -> _Entry:
        try:
            async with self._slots:
                result = await _in_thread(self._lookup, host)
            ttl = _FAILURE_TTL if isinstance(result, AttemptError) else self._ttl
            entry = _Entry(time.monotonic() + ttl, result)
            if len(self._cache) >= _MOST_NAMES:
                self._cache.clear()
            self._cache[host] = entry
            return entry
        finally:
            del self._running[host]


def _in_thread(lookup: Lookup, host: str) -> asyncio.Future[list[str] | AttemptError]:
    loop = asyncio.get_running_loop()
    future: asyncio.Future[list[str] | AttemptError] = loop.create_future()

    def settle(result: list[str] | AttemptError) -> None:
        if not future.done():
            future.set_result(result)

    def run() -> None:
        result = _attempt(lookup, host)
        with contextlib.suppress(RuntimeError):  # the event loop was closed before the name server answered
            loop.call_soon_threadsafe(settle, result)

    threading.Thread(target=run, name=f"resolve {host[:40]}", daemon=True).start()
    return future


def _attempt(lookup: Lookup, host: str) -> list[str] | AttemptError:
    try:
        return lookup(host) or AttemptError(Failure.DNS, f"{host} has no address")
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        return AttemptError(Failure.DNS, f"{host} can't be resolved: {reason}")
