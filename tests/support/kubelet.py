"""The kubelet's part for a server process beside an API server: mounts its Secrets, and shows it as a ready pod."""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from support import objects
from support.operating import Client
from support.server import ServerProcess
from trackpush_api import shards
from trackpush_operator.kube.kinds import SECRETS

_PAUSE = 0.1
_NAME = "fake-a"
"""``main-0`` is the StatefulSet controller's, and stays without a node."""


class Kubelet:
    """Of one WebhookServer ``main``. Make it with `mounted`."""

    def __init__(self, cluster: Client, namespace: str, folder: Path, arguments: Sequence[str] = ()) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._token = folder / "token"
        self._routing = folder / "routing"
        self._routing.mkdir()
        self.server = ServerProcess(
            self._routing,
            folder / "data",
            arguments=("--server", f"{namespace}/main", "--admin-token-file", str(self._token), *arguments),
            shards=True,
        )

    async def start(self) -> None:
        """Mount what there is, start the process, and show it as a ready pod."""
        await self._cluster.until_exists("Secret", self._namespace, "main-admin-token")
        secret = await self._cluster.get("Secret", self._namespace, "main-admin-token") or {}
        self._token.write_bytes(base64.b64decode(secret["data"]["token"]))
        await self._cluster.until(self._mount, wanted=True)
        await self.server.start()
        port = int(self.server.admin_url.rpartition(":")[2])
        await self._cluster.pod(objects.pod(_NAME, namespace=self._namespace, ip="127.0.0.1", port=port))

    async def run(self) -> None:
        """Mount what changes, for ever."""
        while True:
            await self._mount()
            await asyncio.sleep(_PAUSE)

    async def _mount(self) -> bool:
        """Write the shards as a projected volume shows them; whether the settings are among them."""
        labels = "app.kubernetes.io/instance=main,app.kubernetes.io/component=routing"
        for body in await self._cluster.objects(SECRETS, self._namespace, labels):
            name = body["metadata"]["name"].removeprefix("main-routing-")
            content, path = base64.b64decode(body["data"][shards.FILE]), self._routing / f"{name}.json"
            if not path.exists() or path.read_bytes() != content:
                draft = path.with_suffix(".draft")
                draft.write_bytes(content)
                draft.replace(path)
        return (self._routing / f"{shards.SETTINGS}.json").exists()


@contextlib.asynccontextmanager
async def mounted(
    cluster: Client, namespace: str, folder: Path, arguments: Sequence[str] = ()
) -> AsyncIterator[ServerProcess]:
    """A server process that lives on what the operator writes for ``main``; dead when the block ends."""
    kubelet = Kubelet(cluster, namespace, folder, arguments)
    mounting: asyncio.Task[None] | None = None
    try:
        await kubelet.start()
        mounting = asyncio.create_task(kubelet.run())
        yield kubelet.server
    finally:
        if mounting is not None:
            mounting.cancel()
            await asyncio.gather(mounting, return_exceptions=True)
        await kubelet.server.close()
