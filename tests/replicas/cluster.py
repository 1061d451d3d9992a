"""Several `trackpush serve` on one database, each with a mark of its own on all that it sends, and a feed over all."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import aiohttp
import asyncpg
import msgspec
import yaml

from support.bodies import FORMATS, body
from support.manifests import Client, write
from support.server import ServerProcess

HEADER = "x-client-key"
"""In it each process sends what it is: a client's own header, with another value in each process's resources."""


class Fault(msgspec.Struct, kw_only=True):
    """What was done to a replica, or to the database. Times are `time.monotonic`."""

    who: str
    what: str
    begun_at: float
    ended_at: float = float("inf")


class Replica:
    """One replica and its incarnations: each start is another process."""

    def __init__(self, folder: Path, name: str, dsn: str, clients: Sequence[Client], arguments: Sequence[str]) -> None:
        self.name = name
        self.incarnations: dict[str, int] = {}
        """Process ids by mark."""
        self._folder = folder / name
        self._dsn = dsn
        self._clients = clients
        self.server = ServerProcess(self._folder / "resources", self._folder / "data", arguments=arguments)

    async def start(self) -> None:
        """Start a process with the next mark."""
        mark = f"{self.name}.{len(self.incarnations) + 1}"
        clients = [msgspec.structs.replace(client, secrets={"outbound": mark}) for client in self._clients]
        reference = {"dsnSecretRef": {"name": "db", "key": "dsn"}}
        folder = write(self._folder / "resources", clients, {"storage": {"postgres": reference}})
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "db", "namespace": "trackpush"},
            "stringData": {"dsn": self._dsn},
        }
        (folder / "db.yaml").write_text(yaml.safe_dump(secret))
        await self.server.start(ready=False)
        self.incarnations[mark] = self.server.pid

    async def end(self) -> None:
        """End it in order; how it went is told when it didn't."""
        try:
            code = await self.server.terminate(seconds=60)
        except TimeoutError:
            raise AssertionError(f"{self.name} does not end:\n{self.server.tail(60)}") from None
        assert code == 0, self.server.tail()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process."""
        os.kill(self.server.pid, number)


class Feed:
    """Aggregators that post round robin over all replicas: a shipment's updates one by one, until each is taken.

    Update ``mark`` is of shipment ``mark % shipments``, which belongs to client ``shipment % len(clients)``.
    """

    def __init__(self, replicas: Sequence[Replica], clients: Sequence[Client], *, shipments: int, rate: float) -> None:
        self.accepted: dict[int, float] = {}
        """When each was answered with 200, in seconds of `time.monotonic`."""
        self.tries = 0
        self._replicas = replicas
        self._clients = clients
        self._shipments = shipments
        self._rate = rate

    async def run(self, stop: asyncio.Event) -> None:
        """Post until told to stop; what was begun is posted until it is taken."""
        timeout = aiohttp.ClientTimeout(total=2.0)
        connector = aiohttp.TCPConnector(limit=0)
        async with (
            aiohttp.ClientSession(timeout=timeout, connector=connector) as session,
            asyncio.TaskGroup() as group,
        ):
            for shipment in range(self._shipments):
                group.create_task(self._shipment(session, shipment, stop))

    async def _shipment(self, session: aiohttp.ClientSession, shipment: int, stop: asyncio.Event) -> None:
        started = time.monotonic()
        mark = shipment
        while not stop.is_set():
            due = started + mark / self._rate
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(due - time.monotonic(), 0.0)):
                    await stop.wait()
            if stop.is_set():
                return
            while True:
                if await self._post(session, mark):
                    break
                await asyncio.sleep(0.1)
            mark += self._shipments

    async def _post(self, session: aiohttp.ClientSession, mark: int) -> bool:
        self.tries += 1
        replica = self._replicas[self.tries % len(self._replicas)]
        shipment = mark % self._shipments
        client = self._clients[shipment % len(self._clients)]
        how = FORMATS[client.aggregator]
        content = body(client.aggregator, mark=mark, shipment=shipment, second=mark // self._shipments)
        headers = {how.key_header: client.key, "Content-Type": "application/json"}
        with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
            url = f"{replica.server.url}/rms/in/api/{how.segment}/notify"
            async with session.post(url, data=content, headers=headers) as answer:
                if answer.status == 200:
                    self.accepted[mark] = time.monotonic()
                    return True
        return False


class Owner(msgspec.Struct, frozen=True):
    """From when on the database said that this process (0: none) owns a PushConfig's slot."""

    since: float
    pid: int


class Watcher:
    """Looks all the time at who owns what."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self.history: dict[str, list[Owner]] = {}
        self.blind: list[Fault] = []

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            blind = Fault(who="database", what="not seen", begun_at=time.monotonic())
            try:
                connection = await asyncpg.connect(self._dsn, timeout=5)
                try:
                    while True:
                        await self._look(connection)
                        blind.ended_at = time.monotonic()
                        self.blind += [blind]
                        await asyncio.sleep(0.05)
                        blind = Fault(who="database", what="not seen", begun_at=time.monotonic())
                finally:
                    connection.terminate()
            except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError):
                await asyncio.sleep(0.05)

    async def _look(self, connection: asyncpg.Connection) -> None:
        rows = await connection.fetch(
            "SELECT c.name AS push_config, r.name AS owner FROM trackpush.push_configs AS c"
            " JOIN trackpush.slots AS s ON s.slot = c.slot LEFT JOIN trackpush.replicas AS r ON r.id = s.owner",
            timeout=5,
        )
        now = time.monotonic()
        for row in rows:
            pid = 0 if row["owner"] is None else int(row["owner"].rpartition("/")[2])
            history = self.history.setdefault(row["push_config"], [])
            if not history or history[-1].pid != pid:
                history.append(Owner(now, pid))

    def owned(self, push_config: str, pid: int, since: float, until: float) -> bool:
        """Whether a process was observed to own it at some time between; a short ownership may have been missed."""
        history = self.history.get(push_config, [])
        spans = zip(history, [entry.since for entry in history[1:]] + [float("inf")], strict=True)
        return any(span.pid == pid and span.since <= until and end >= since for span, end in spans)


def by_mark(replicas: Sequence[Replica]) -> dict[str, int]:
    """Process ids of all incarnations."""
    return {mark: pid for replica in replicas for mark, pid in replica.incarnations.items()}
