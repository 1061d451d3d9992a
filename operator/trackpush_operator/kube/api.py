"""The port to the API server. Bodies are dicts as the API server returns them. Only its implementation uses HTTP."""

from collections.abc import AsyncIterator
from typing import Any, Final, NamedTuple, Protocol

Body = dict[str, Any]
PAGE: Final = 100
"""Maximum objects of a list in memory at once. Any writer may add annotations of up to 256 KiB to each."""


class Api(NamedTuple):
    """One kind, as a URL of the API server names it."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """``apps/v1``."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def prefix(self) -> str:
        """``/apis/apps/v1``."""
        return f"/apis/{self.api_version}" if self.group else f"/api/{self.version}"

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """The path of a collection or an object."""
        scope = f"/namespaces/{namespace}" if self.namespaced and namespace is not None else ""
        rest = "".join(f"/{part}" for part in (name, subresource) if part)
        return f"{self.prefix}{scope}/{self.plural}{rest}"


class ObjectSelection(NamedTuple):
    """Selects the objects of a list or a watch; the API server applies it."""

    labels: str = ""
    fields: str = ""
    metadata_only: bool = False
    """Return only the metadata of objects, so that large objects take no memory."""


class ListPage(NamedTuple):
    """One page of a list."""

    version: int
    """Resource version of the whole list; the same on all pages."""
    items: list[Body]


class Cluster(Protocol):
    """The operator's requests to the API server. Every method raises `ClusterError`."""

    def pages(self, api: Api, namespace: str | None, selection: ObjectSelection) -> AsyncIterator[ListPage]:
        """List objects in pages of one consistent state; ``namespace`` None means all namespaces."""
        ...

    async def get(self, api: Api, namespace: str | None, name: str) -> Body:
        """One object."""
        ...

    async def apply(self, api: Api, body: Body, *, manager: str | None = None, force: bool = True) -> Body:
        """Apply on the server side; returns the new object.

        Without ``force``, a field of another manager is a `ConflictError`. ``manager`` is the name of the field
        manager; None means the operator's own.
        """
        ...

    async def create(self, api: Api, body: Body, *, manager: str | None = None) -> Body:
        """Create an object; `ConflictError` if it exists. ``manager`` as in `apply`."""
        ...

    async def replace(self, api: Api, body: Body) -> Body:
        """Replace an object; `ConflictError` if its resource version isn't the newest."""
        ...

    async def patch(
        self, api: Api, namespace: str | None, name: str, body: Body, *, subresource: str | None = None
    ) -> Body:
        """JSON merge patch."""
        ...

    async def delete(self, api: Api, namespace: str, name: str, *, uid: str, orphan: bool = False) -> None:
        """Delete the object with this UID, and its dependents unless ``orphan``; no error if it does not exist."""
        ...

    async def serves(self, api: Api) -> bool:
        """Whether the API server has this kind."""
        ...
