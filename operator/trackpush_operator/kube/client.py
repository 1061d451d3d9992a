"""Implements the port with ``kubernetes.aio``, which handles connections, TLS and credentials.

This module builds paths and bodies itself. After a 429 it waits as long as the server asks, a few times. All other
failures are raised: the caller has a queue with back-off and decides what to do first.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any, Final, NamedTuple, Self

import aiohttp
import msgspec
from kubernetes.aio.client import ApiClient, Configuration

from trackpush_operator.kube.api import PAGE, Api, Body, ListPage, ObjectSelection
from trackpush_operator.kube.connection import JSON, METADATA_OF_LIST
from trackpush_operator.kube.errors import ClusterError, GoneError, NotFoundError, UnavailableError, error_of
from trackpush_operator.kube.kinds import MANAGER, SECRETS
from trackpush_operator.metrics import Metrics

_MERGE_PATCH: Final = "application/merge-patch+json"
_APPLY_PATCH: Final = "application/apply-patch+yaml"
_TIMEOUT: Final = aiohttp.ClientTimeout(total=30, sock_connect=10)
_LIST_TIMEOUT: Final = aiohttp.ClientTimeout(total=120, sock_connect=10)
_TOO_MANY: Final = 429
_PATIENCE: Final = 4
_LONGEST_WAIT: Final = 20.0
_LIST_ATTEMPTS: Final = 3
_ERRORS: Final = 400
_MESSAGE_CHARS: Final = 500

Query = list[tuple[str, str]]


class _Request(NamedTuple):
    method: str
    path: str
    query: Query
    body: Body | None
    content: str
    limits: aiohttp.ClientTimeout
    accept: str = JSON


class KubernetesCluster:
    """The API server. Use as an async context manager."""

    def __init__(self, configuration: Configuration, metrics: Metrics) -> None:
        self._client = ApiClient(configuration)
        self._client.user_agent = MANAGER
        self._metrics = metrics

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()

    async def pages(self, api: Api, namespace: str | None, selection: ObjectSelection) -> AsyncIterator[ListPage]:
        """See `Cluster`.

        If the continue token expires, the list starts again: pages may repeat, but none is missing.
        """
        for attempt in range(_LIST_ATTEMPTS):
            try:
                async for page in self._pages(api, namespace, selection):
                    yield page
            except GoneError:
                if attempt == _LIST_ATTEMPTS - 1:
                    raise
            else:
                return

    async def _pages(self, api: Api, namespace: str | None, selection: ObjectSelection) -> AsyncIterator[ListPage]:
        base: Query = [("limit", str(PAGE))]
        base += [("labelSelector", selection.labels)] if selection.labels else []
        base += [("fieldSelector", selection.fields)] if selection.fields else []
        following = ""
        while True:
            query = [*base, ("continue", following)] if following else base
            accept = METADATA_OF_LIST if selection.metadata_only else JSON
            answer = await self._request(
                "GET", api, api.path(namespace), query=query, limits=_LIST_TIMEOUT, accept=accept
            )
            metadata = answer.get("metadata") or {}
            yield ListPage(version=_number(metadata.get("resourceVersion")), items=answer.get("items") or [])
            following = metadata.get("continue") or ""
            if not following:
                return

    async def get(self, api: Api, namespace: str | None, name: str) -> Body:
        """See `Cluster`."""
        return await self._request("GET", api, api.path(namespace, name))

    async def apply(self, api: Api, body: Body, *, manager: str | None = None, force: bool = True) -> Body:
        """See `Cluster`."""
        query = [("fieldManager", manager or MANAGER), ("force", "true" if force else "false")]
        return await self._request("PATCH", api, _path(api, body), query=query, body=body, content=_APPLY_PATCH)

    async def create(self, api: Api, body: Body, *, manager: str | None = None) -> Body:
        """See `Cluster`."""
        path = api.path(body["metadata"].get("namespace"))
        return await self._request("POST", api, path, query=[("fieldManager", manager or MANAGER)], body=body)

    async def replace(self, api: Api, body: Body) -> Body:
        """See `Cluster`."""
        return await self._request("PUT", api, _path(api, body), query=[("fieldManager", MANAGER)], body=body)

    async def patch(
        self, api: Api, namespace: str | None, name: str, body: Body, *, subresource: str | None = None
    ) -> Body:
        """See `Cluster`."""
        path = api.path(namespace, name, subresource)
        query = [("fieldManager", MANAGER)]
        return await self._request("PATCH", api, path, query=query, body=body, content=_MERGE_PATCH)

    async def delete(self, api: Api, namespace: str, name: str, *, uid: str, orphan: bool = False) -> None:
        """See `Cluster`."""
        body = {"preconditions": {"uid": uid}, "propagationPolicy": "Orphan" if orphan else "Background"}
        try:
            await self._request("DELETE", api, api.path(namespace, name), body=body)
        except ClusterError as error:
            if error.status not in (404, 409):
                raise

    async def serves(self, api: Api) -> bool:
        """See `Cluster`."""
        try:
            answer = await self._request("GET", api, api.prefix)
        except NotFoundError:
            return False
        return any(resource.get("name") == api.plural for resource in answer.get("resources") or [])

    async def _request(
        self,
        method: str,
        api: Api,
        path: str,
        *,
        query: Query | None = None,
        body: Body | None = None,
        content: str = "application/json",
        limits: aiohttp.ClientTimeout = _TIMEOUT,
        accept: str = JSON,
    ) -> Body:
        request = _Request(method, path, query or [], body, content, limits, accept)
        for attempt in range(_PATIENCE):
            try:
                status, wait, data = await self._once(request)
            except UnavailableError:
                self._metrics.requests.labels(method, api.kind, "0").inc()
                raise
            self._metrics.requests.labels(method, api.kind, str(status)).inc()
            if status < _ERRORS:
                return _decode(data, method, path)
            if status != _TOO_MANY or attempt == _PATIENCE - 1:
                raise error_of(status, f"{method} {path}: {status} {_told(data, api)}")
            await asyncio.sleep(wait * random.uniform(1.0, 1.3))  # noqa: S311  spreads load
        raise AssertionError("not reached")

    async def _once(self, request: _Request) -> tuple[int, float, bytes]:
        """Send one request. Returns the status, the seconds to wait if the server asks for it, and the body."""
        _, url, headers, _, _ = await self._client.param_serialize(
            request.method,
            request.path,
            query_params=request.query,
            header_params={"Accept": request.accept, "Content-Type": request.content},
            auth_settings=["BearerToken"],
        )
        try:
            answer = await self._client.rest_client.request(
                request.method, url, headers=headers, body=request.body, _request_timeout=request.limits
            )
            data = await answer.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            text = f"{request.method} {request.path}: no answer ({type(error).__name__})"
            raise UnavailableError(text) from error
        return answer.status, _retry_after(answer.headers.get("Retry-After")), data


def _path(api: Api, body: Body) -> str:
    metadata = body["metadata"]
    return api.path(metadata.get("namespace"), metadata["name"])


def _decode(data: bytes, method: str, path: str) -> Body:
    try:
        answer = msgspec.json.decode(data)
    except msgspec.DecodeError as error:
        raise UnavailableError(f"{method} {path}: the answer is not JSON") from error
    return answer if isinstance(answer, dict) else {}


def _told(data: bytes, api: Api) -> str:
    """The message of a Status. For Secrets only the reason, because a message may quote what it refuses."""
    try:
        answer: Any = msgspec.json.decode(data)
    except msgspec.DecodeError:
        return ""
    if not isinstance(answer, dict) or answer.get("kind") != "Status":
        return ""
    return str(answer.get("reason" if api is SECRETS else "message", ""))[:_MESSAGE_CHARS]


def _retry_after(text: str | None) -> float:
    """Retry-After in seconds. The other form, a date, isn't used by API servers."""
    return min(float(text), _LONGEST_WAIT) if text is not None and text.isdigit() else 1.0


def _number(version: Any) -> int:
    return int(version) if isinstance(version, str) and version.isdigit() else 0
