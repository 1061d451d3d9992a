"""TLS contexts, built in threads and shared by all destinations with the same certificates.

A context with the system's root certificates takes milliseconds to build and about a megabyte of memory; most
destinations use this one.
"""

import asyncio
import ssl
import weakref

from trackpush_api.routing import TlsMaterial
from trackpush_server.outbound.tls import build_context


class Contexts:
    """Used on one event loop. Keeps the system's context always, and each other context while a dialler uses it."""

    def __init__(self) -> None:
        self._system: ssl.SSLContext | None = None
        self._own: weakref.WeakValueDictionary[TlsMaterial, ssl.SSLContext] = weakref.WeakValueDictionary()
        self._lock = asyncio.Lock()

    async def get(self, material: TlsMaterial | None) -> ssl.SSLContext:
        """The context for these certificates.

        Raises:
            AttemptError: TLS, if the certificates can't be used.
        """
        async with self._lock:
            context = self._system if material is None else self._own.get(material)
            if context is None:
                context = await asyncio.to_thread(build_context, material)
                if material is None:
                    self._system = context
                else:
                    self._own[material] = context
        return context
