"""Bounds what an attack sends: a remote stranger has limited bandwidth, and loopback has not."""

import asyncio
import time


class Budget:
    """Bytes that may be sent: so many per second, and what was not used in the last second."""

    def __init__(self, bytes_per_second: int) -> None:
        self.sent = 0
        self._rate = bytes_per_second
        self._free = float(bytes_per_second)
        self._at = time.monotonic()

    async def spend(self, size: int) -> None:
        """Wait until so many bytes may be sent."""
        self._refill()
        self._free -= size
        self.sent += size
        if self._free < 0:
            await asyncio.sleep(-self._free / self._rate)
            self._refill()

    def _refill(self) -> None:
        now = time.monotonic()
        self._free = min(self._free + (now - self._at) * self._rate, self._rate)
        self._at = now
