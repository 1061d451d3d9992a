"""A receiving process: `python -m trackpush_server.receiving.process`, which only the main process starts.

The process exits when the link to the main process closes, for whatever reason. Without a main process it could only
answer 503, and it would keep the address from the next server. It ignores signals such as Ctrl-C, which reach the whole
process group: the main process handles them, and orders the receiving processes to finish their open requests.
"""

import argparse
import asyncio
import contextlib
import os
import signal
import socket
from collections import deque

import structlog
from prometheus_client import CollectorRegistry

from trackpush_runtime import sockets
from trackpush_runtime.logs import where
from trackpush_server import logs
from trackpush_server.receiver.admission import ARRIVING_BYTES, STRANGERS_BYTES, Admission
from trackpush_server.receiver.reception import Reception
from trackpush_server.receiver.serving import Serving
from trackpush_server.receiving import table, wire
from trackpush_server.receiving.link import Link
from trackpush_server.receiving.remote import RemoteJournal
from trackpush_server.runtime import tune, uncollected
from trackpush_server.telemetry.ingest import IngestTelemetry
from trackpush_server.telemetry.labels import BoundedLabels
from trackpush_server.telemetry.summed import samples_of
from trackpush_server.tracing.environment import tracing
from trackpush_server.tracing.port import Tracing

COUNTS_SECONDS = 1.0
"""Seconds between two reports of metrics. The reports also show the main process that this process is alive."""
_LAST_ANSWERS = 0.5
"""Maximum seconds to answer 503 to open requests after the main process has ended."""
_LAST_COUNTS = 1.0
"""Maximum seconds to send the last report."""
_IGNORED = (signal.SIGTERM, signal.SIGINT)
_log = structlog.get_logger("trackpush.receiving")


class ReceivingProcess:
    """A receiving process. All of it runs on the event loop, except building tables."""

    def __init__(self, listening: socket.socket, *, receivers: int, tracing: Tracing | None = None) -> None:
        self._listening = listening
        self._registry = CollectorRegistry()
        self._labels = BoundedLabels()
        self._telemetry = IngestTelemetry(self._registry, self._labels)
        self._link = Link(on_frame=self._on_frame, on_lost=self._on_lost)
        self._journal = RemoteJournal(self._link.send)
        self._tracing = tracing
        self._reception = Reception(
            journal=self._journal,
            observer=self._telemetry,
            admission=Admission(ARRIVING_BYTES // receivers, STRANGERS_BYTES // receivers),
            tracing=tracing,
        )
        self._orders: deque[tuple[int, bytes]] = deque()
        self._ordered = asyncio.Event()
        self._lost = asyncio.Event()

    async def run(self, link: socket.socket) -> None:
        """Serve until the main process ends this process, or ends itself."""
        await asyncio.get_running_loop().create_connection(lambda: self._link, sock=link)
        tasks = [asyncio.create_task(work()) for work in (self._obey, self._count, self._lost.wait)]
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if self._lost.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LAST_ANSWERS):
                    await self._reception.stop()
        for task in done:
            task.result()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._tracing is not None:
            await self._tracing.close()
        self._link.finish()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_COUNTS):
                await self._lost.wait()

    def _on_frame(self, kind: int, payload: bytes) -> None:
        if kind == wire.FrameKind.ANSWER:
            self._journal.answered(payload)
        else:
            self._orders.append((kind, payload))
            self._ordered.set()

    def _on_lost(self) -> None:
        self._journal.lose()
        self._lost.set()

    async def _obey(self) -> None:
        """Carry out the main process's orders one by one, until the order to drain."""
        while True:
            await self._ordered.wait()
            self._ordered.clear()
            while self._orders:
                kind, payload = self._orders.popleft()
                if kind == wire.FrameKind.TABLE:
                    await self._take(payload)
                elif kind == wire.FrameKind.OPEN:
                    await self._reception.listen(self._listening)
                    self._link.send(wire.frame(wire.FrameKind.ACCEPTING))
                elif kind == wire.FrameKind.DRAIN:
                    await self._reception.stop()
                    self._report()
                    return
                else:
                    raise wire.WireError(f"an order of kind {kind}")

    async def _take(self, payload: bytes) -> None:
        number, serving = await asyncio.to_thread(_prepare, payload)
        self._reception.serve(serving)
        self._telemetry.forget(self._labels.retain(serving.table.destination_by_name))
        self._telemetry.refusals.retain(account.name for account in serving.table.accounts)
        self._link.send(wire.taken(number))

    async def _count(self) -> None:
        while True:
            await asyncio.sleep(COUNTS_SECONDS)
            self._report()

    def _report(self) -> None:
        self._telemetry.connections.set(self._reception.connections)
        self._telemetry.under_way.set(self._reception.under_way)
        self._link.send(wire.counts(samples_of(self._registry)))
        if unknown := self._telemetry.unknown_codes.take():
            self._link.send(wire.unknown_codes(unknown))
        if keys := self._telemetry.unknown_keys.take():
            self._link.send(wire.unknown_keys(keys))


def _prepare(payload: bytes) -> tuple[int, Serving]:
    with uncollected():
        packed, made = table.unpack(payload)
        return packed.number, Serving(made, complete=packed.complete)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--link", type=int, required=True, help="file descriptor of the socket to the main process")
    parser.add_argument("--listening", type=int, required=True, help="file descriptor of the bound public socket")
    parser.add_argument("--index", type=int, required=True)
    parser.add_argument("--receivers", type=int, required=True, help="number of receiving processes")
    parser.add_argument("--log-format", choices=("console", "json"))
    options = parser.parse_args()
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    logs.configure(options.log_format, receiver=options.index)
    sockets.raise_descriptor_limit()
    link, listening = socket.socket(fileno=options.link), socket.socket(fileno=options.listening)

    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(logs.on_loop_error)
        await ReceivingProcess(listening, receivers=options.receivers, tracing=traced).run(link)

    tune()
    code = 0
    try:
        traced = tracing(os.environ)
        asyncio.run(run())
    except Exception as error:  # noqa: BLE001  told in a line, as everything is; the main process starts the next one
        _log.error("receiver_failed", error=type(error).__name__, at=where(error))
        code = 1
    os._exit(code)  # do not wait for a thread that may still be building a table


if __name__ == "__main__":
    main()
