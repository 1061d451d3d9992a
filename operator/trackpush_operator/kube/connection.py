"""Address and credentials of the API server: from the pod's service account, or a kubeconfig as kubectl reads it."""

import asyncio
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any, Final

import aiohttp
import kopf
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse
from kubernetes.aio import config
from kubernetes.aio.client import Configuration

JSON: Final = "application/json"
METADATA_OF_LIST: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
METADATA_OF_WATCH: Final = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
"""The API server sends objects of a list or a watch without anything but their metadata."""
_IN_CLUSTER = "KUBERNETES_SERVICE_HOST"


class NoClusterError(Exception):
    """Neither a service account nor a usable kubeconfig; the text says what to set."""


async def configuration(kubeconfig: Path | None = None, context: str | None = None) -> Configuration:
    """The client's configuration: a given kubeconfig, else the service account, else ``$KUBECONFIG`` or ~/.kube/config.

    Raises:
        NoClusterError: there is none, or it can't be read.
    """
    found = Configuration()
    try:
        if kubeconfig is None and context is None and _IN_CLUSTER in os.environ:
            config.load_incluster_config(client_configuration=found)
        else:
            path = None if kubeconfig is None else str(kubeconfig)
            await config.load_kube_config(config_file=path, context=context, client_configuration=found)
    except (config.ConfigException, OSError) as error:
        raise NoClusterError(
            f"no cluster: {error}; set KUBECONFIG, pass --kubeconfig, or run in a pod with a service account"
        ) from error
    found.client_session_kwargs = {"trust_env": _has_proxy()}
    return found


def _has_proxy() -> bool:
    """Whether the environment names a proxy; aiohttp looks it up in a thread for each request, so only then."""
    return any(name.lower() in ("https_proxy", "all_proxy") and value for name, value in os.environ.items())


async def kopf_session(found: Configuration, metadata_only: Collection[str]) -> "KopfSessions":
    """The same for kopf's watches; read again at each login, so that a rotated token is taken.

    ``metadata_only``: plurals of the kinds of which kopf gets the metadata alone. kopf itself can't ask for it.
    """
    value = await found.get_api_key_with_prefix("BearerToken", alias="authorization") or ""
    scheme, _, token = value.rpartition(" ")
    connection = kopf.ConnectionInfo(
        server=found.host,
        ca_path=found.ssl_ca_cert,
        insecure=not found.verify_ssl,
        certificate_path=found.cert_file,
        private_key_path=found.key_file,
        scheme=scheme.capitalize() or None,
        token=token or None,
        username=found.username or None,
        password=found.password or None,
        trust_env=_has_proxy(),
    )
    return KopfSessions(connection, frozenset(metadata_only), found.proxy or None)


def _session(
    connection: kopf.ConnectionInfo, metadata_only: Collection[str], proxy: str | None
) -> aiohttp.ClientSession:
    async def ask_for_metadata(request: ClientRequest, send: ClientHandlerType) -> ClientResponse:
        if request.url.path.rpartition("/")[2] in metadata_only:
            request.headers["Accept"] = METADATA_OF_WATCH if "watch" in request.url.query else METADATA_OF_LIST
        return await send(request)

    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=connection.as_ssl_context()),
        headers=connection.as_http_headers(),
        proxy=proxy,
        trust_env=_has_proxy(),
        middlewares=(ask_for_metadata,),
        response_class=_ListResponse,
    )


class KopfSessions(kopf.AiohttpSession):
    """Gives kopf a new session each time that it takes one.

    kopf closes its sessions when it is stopped, and what is still running then takes another one from the same
    connection. With one session only, those tasks would wait for a new login that never comes.
    """

    _given: tuple[kopf.ConnectionInfo, frozenset[str], str | None]
    _made: list[aiohttp.ClientSession]
    _closed: asyncio.Event

    def __init__(self, connection: kopf.ConnectionInfo, metadata_only: frozenset[str], proxy: str | None) -> None:
        object.__setattr__(self, "server", connection.server)  # kopf's class is frozen
        object.__setattr__(self, "_given", (connection, metadata_only, proxy))
        object.__setattr__(self, "_made", [])
        object.__setattr__(self, "_closed", asyncio.Event())

    @property
    def aiohttp_session(self) -> aiohttp.ClientSession:
        """A new one.

        Raises:
            asyncio.CancelledError: they are closed. A watcher of kopf that outlived its stop ends here.
        """
        if self._closed.is_set():
            raise asyncio.CancelledError
        self._made.append(_session(*self._given))
        return self._made[-1]

    async def close(self) -> None:
        """Close all of them, for good: kopf leaves those open that a task takes while it stops."""
        self._closed.set()
        for session in self._made:
            await session.close()

    def __eq__(self, other: object) -> bool:
        """Whether the credentials are the same: kopf doesn't try again those that were refused."""
        return isinstance(other, KopfSessions) and self._given == other._given

    def __hash__(self) -> int:
        return hash(KopfSessions)


class _ListResponse(ClientResponse):
    """An empty list of metadata has ``items: null``, which kopf can't read."""

    async def json(self, **options: Any) -> Any:
        """The body, with an empty list in place of none."""
        body = await super().json(**options)
        if isinstance(body, dict) and "items" in body:
            body["items"] = body["items"] or []
        return body
