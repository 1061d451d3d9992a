"""A sender with a right key that posts steadily and measures how long each answer takes."""

import asyncio
import time
from statistics import median, quantiles
from typing import Final, NamedTuple

from support.bodies import FORMATS, body

_PAUSE: Final = 0.02
_SECONDS: Final = 30.0
_HUNDREDTHS: Final = 100


class Phase(NamedTuple):
    """Seconds that posts took, and the statuses of their answers."""

    seconds: list[float]
    statuses: list[int]

    @property
    def median(self) -> float:
        return median(self.seconds)

    @property
    def p99(self) -> float:
        return quantiles(self.seconds, n=_HUNDREDTHS, method="inclusive")[-1]


def joined(*phases: Phase) -> Phase:
    """All posts of several phases."""
    return Phase(
        [seconds for phase in phases for seconds in phase.seconds],
        [status for phase in phases for status in phase.statuses],
    )


class Sender:
    """Posts one update after the other, each on a connection of its own and in two segments."""

    def __init__(self, port: int, key: str) -> None:
        self._port = port
        self._key = key
        self._number = 0

    async def post_for(self, seconds: float) -> Phase:
        """Post with short pauses for so long."""
        phase = Phase([], [])
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            begun = time.perf_counter()
            phase.statuses.append(await self._post())
            phase.seconds.append(time.perf_counter() - begun)
            await asyncio.sleep(_PAUSE)
        return phase

    async def _post(self) -> int:
        self._number += 1
        content = body("clickpost", mark=self._number, shipment=self._number, second=self._number)
        form = FORMATS["clickpost"]
        head = (
            f"POST /rms/in/api/{form.segment}/notify HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
            f"{form.key_header}: {self._key}\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        async with asyncio.timeout(_SECONDS):
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            try:
                writer.write(head.encode() + content[:100])
                await writer.drain()
                await asyncio.sleep(0)
                writer.write(content[100:])
                answer = await reader.read()
                return int(answer[9:12])
            finally:
                writer.close()
