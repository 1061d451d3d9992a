"""Address and credentials of the API server: from the pod's service account or from a kubeconfig."""

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
"""Accept header with which the API server returns only the metadata of objects in lists and watches."""
_IN_CLUSTER = "KUBERNETES_SERVICE_HOST"


class NoClusterError(Exception):
    """There is neither a service account nor a usable kubeconfig; the message says what to set."""


async def configuration(kubeconfig: Path | None = None, context: str | None = None) -> Configuration:
    """The client's configuration.

    From the given kubeconfig, otherwise the service account, otherwise ``$KUBECONFIG`` or ~/.kube/config.

    Raises:
        NoClusterError: none of these exists, or it can't be read.
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
    """Whether the environment names a proxy.

    Only then is aiohttp's look-up enabled, which takes a thread per request.
    """
    return any(name.lower() in ("https_proxy", "all_proxy") and value for name, value in os.environ.items())


async def kopf_session(found: Configuration, metadata_only: Collection[str]) -> "KopfSessions":
    """The same configuration for kopf's watches; read again at each login, so that a rotated token is used.

    ``metadata_only``: plurals of the kinds for which kopf gets only metadata. kopf itself can't request this.
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
    """Returns a new session to kopf each time that it asks for one.

    When kopf stops, it closes its sessions, and tasks that are still running request another one from the same
    connection. If there was only one session, those tasks would wait for a new login that never comes.
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
        """Create a session.

        Raises:
            asyncio.CancelledError: the sessions are closed. A watcher of kopf that is still running ends here.
        """
        if self._closed.is_set():
            raise asyncio.CancelledError
        self._made.append(_session(*self._given))
        return self._made[-1]

    async def close(self) -> None:
        """Close all sessions permanently, because kopf leaves sessions open that a task requests while it stops."""
        self._closed.set()
        for session in self._made:
            await session.close()

    def __eq__(self, other: object) -> bool:
        """Whether the credentials are the same: kopf doesn't retry with credentials that were refused."""
        return isinstance(other, KopfSessions) and self._given == other._given

    def __hash__(self) -> int:
        return hash(KopfSessions)


class _ListResponse(ClientResponse):
    """A response to a list. An empty list of metadata has ``items: null``, which kopf can't read."""

    async def json(self, **options: Any) -> Any:
        """The body, with an empty list instead of null."""
        body = await super().json(**options)
        if isinstance(body, dict) and "items" in body:
            body["items"] = body["items"] or []
        return body
