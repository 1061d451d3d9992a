"""A bare client of an API server, the yardstick of the operator's benchmark: one connection pool, no cache."""

import base64
import json
import ssl
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Self

import aiohttp
import yaml

Body = dict[str, Any]
GROUP = "/apis/trackpush.dev/v1alpha1"
LISTS = (
    "/api/v1/namespaces",
    f"{GROUP}/webhookservers",
    f"{GROUP}/aggregatorwebhooks",
    f"{GROUP}/pushconfigs",
    "/api/v1/secrets",
    "/apis/apps/v1/statefulsets",
    "/apis/apps/v1/deployments",
    "/api/v1/services",
    "/api/v1/serviceaccounts",
    "/apis/networking.k8s.io/v1/ingresses",
    "/apis/networking.k8s.io/v1/networkpolicies",
    "/apis/policy/v1/poddisruptionbudgets",
    "/api/v1/pods",
)
"""What the operator lists at its start."""
_PAGE = 500


class BareApi:
    """Requests as the kubeconfig's user. An async context manager."""

    def __init__(self, kubeconfig: Path) -> None:
        found = yaml.safe_load(kubeconfig.read_text())
        cluster = found["clusters"][0]["cluster"]
        self._url = cluster["server"]
        self._headers = {"Authorization": f"Bearer {found['users'][0]['user']['token']}"}
        with tempfile.NamedTemporaryFile() as authority:
            authority.write(base64.b64decode(cluster["certificate-authority-data"]))
            authority.flush()
            self._context = ssl.create_default_context(cafile=authority.name)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(ssl=self._context, limit=64)
        self._session = aiohttp.ClientSession(self._url, connector=connector, headers=self._headers)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._session is not None
        await self._session.close()

    async def request(self, method: str, path: str, body: Body | None = None, *, content: str = "json") -> Body:
        """One request; raises for anything but success."""
        assert self._session is not None
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": f"application/{content}"}
        async with self._session.request(method, path, data=data, headers=headers) as answer:
            text = await answer.read()
            if answer.status >= 400:
                raise RuntimeError(f"{method} {path}: {answer.status} {text[:300]!r}")
            return dict(json.loads(text))

    async def items(self, path: str) -> AsyncIterator[Body]:
        """A list, page by page, as every good client asks for it."""
        token = ""
        while True:
            page = await self.request("GET", f"{path}?limit={_PAGE}&continue={token}")
            for item in page["items"]:
                yield item
            token = page["metadata"].get("continue", "")
            if not token:
                return

    async def merge(self, path: str, body: Body) -> Body:
        """A merge patch."""
        return await self.request("PATCH", path, body, content="merge-patch+json")

    async def events(self, path: str, version: str) -> AsyncIterator[Body]:
        """Objects as a watch tells of them."""
        assert self._session is not None
        timeout = aiohttp.ClientTimeout(total=None)
        url = f"{path}&watch=1&resourceVersion={version}"
        async with self._session.get(url, timeout=timeout) as answer:
            async for line in answer.content:
                yield json.loads(line)["object"]
