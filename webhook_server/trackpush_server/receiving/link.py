"""One end of the socket pair between main process and receiving process: sends and receives frames in order."""

import asyncio
from collections.abc import Callable
from typing import cast

from trackpush_server.receiving.wire import Frames

OnFrame = Callable[[int, bytes], None]


class Link(asyncio.Protocol):
    """`send` never blocks. ``on_lost`` is called once, when the other end has closed or sent an invalid frame."""

    def __init__(self, *, on_frame: OnFrame, on_lost: Callable[[], None]) -> None:
        self._on_frame = on_frame
        self._on_lost = on_lost
        self._frames = Frames()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Handle complete frames. An exception of a handler closes the link, because the two ends no longer agree."""
        on_frame = self._on_frame
        try:
            for kind, payload in self._frames.feed(data):
                on_frame(kind, payload)
        except Exception:
            self.close()
            raise

    def connection_lost(self, exc: BaseException | None) -> None:
        del exc
        self._transport = None
        self._on_lost()

    def send(self, data: bytes) -> None:
        """Send a frame; does nothing after the link is lost."""
        if self._transport is not None:
            self._transport.write(data)

    def finish(self) -> None:
        """Close the link after all frames are sent."""
        if self._transport is not None:
            self._transport.close()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()
