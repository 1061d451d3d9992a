"""Requests to the admin ports of servers' pods, with each server's token."""

import base64
import binascii
from typing import Any, Final, Self

import aiohttp
import msgspec

from trackpush_operator.kube.api import Cluster
from trackpush_operator.kube.errors import NotFoundError
from trackpush_operator.kube.kinds import SECRETS

_TIMEOUT: Final = aiohttp.ClientTimeout(total=5, sock_connect=3)
_MOST_BYTES: Final = 8 * 1024 * 1024
_UNAUTHORIZED: Final = 401
TOKEN_KEY: Final = "token"  # noqa: S105  its name


class BadAnswerError(Exception):
    """A pod's answer is invalid, or it can't be asked."""


class AdminAnswer(msgspec.Struct, frozen=True):
    """A pod's answer."""

    status: int
    content: bytes


class AdminPorts:
    """Sends requests. Use as an async context manager."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._tokens: dict[str, str] = {}
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=_TIMEOUT, trust_env=False)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    def forget(self, server: str) -> None:
        """Forget the token of a server that does not exist any more."""
        self._tokens.pop(server, None)

    async def send(
        self, server: str, address: str, path: str, *, method: str = "GET", body: object = None
    ) -> AdminAnswer:
        """Send a request to a pod of ``server`` (``namespace/name``); ``body`` is sent as JSON.

        Raises:
            BadAnswerError: the token does not exist yet, or the answer is too large.
            aiohttp.ClientError: the pod doesn't answer; or TimeoutError or OSError.
        """
        assert self._session is not None
        for is_last in (False, True):
            token = await self._token(server)
            if not token:
                raise BadAnswerError("its admin token isn't there yet")
            headers = {"Authorization": f"Bearer {token}"}
            options: dict[str, Any] = {"headers": headers, "allow_redirects": False}
            if body is not None:
                options["data"] = msgspec.json.encode(body)
                headers["Content-Type"] = "application/json"
            async with self._session.request(method, f"http://{address}{path}", **options) as answer:
                if answer.status == _UNAUTHORIZED and not is_last:
                    self._tokens.pop(server, None)  # the Secret was created again; the next try reads it
                    continue
                return AdminAnswer(answer.status, await _bounded(answer))
        raise AssertionError("not reached")

    async def _token(self, server: str) -> str:
        known = self._tokens.get(server)
        if known is not None:
            return known
        namespace, _, name = server.partition("/")
        try:
            body = await self._cluster.get(SECRETS, namespace, f"{name}-admin-token")
            token = base64.b64decode((body.get("data") or {}).get(TOKEN_KEY, ""), validate=True).decode().strip()
        except (NotFoundError, binascii.Error, ValueError):
            token = ""
        if token:
            self._tokens[server] = token
        return token


async def _bounded(answer: aiohttp.ClientResponse) -> bytes:
    data = bytearray()
    async for chunk in answer.content.iter_any():
        data += chunk
        if len(data) > _MOST_BYTES:
            raise BadAnswerError(f"more than {_MOST_BYTES} bytes")
    return bytes(data)
