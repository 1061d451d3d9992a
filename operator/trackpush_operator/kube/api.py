"""The port to the API server. Bodies are dicts as it writes them; nothing else in the operator knows HTTP."""

from collections.abc import AsyncIterator
from typing import Any, Final, NamedTuple, Protocol

Body = dict[str, Any]
PAGE: Final = 100
"""Objects of a list that are in memory at once. Each may have annotations of 256 KiB, whoever wrote them."""


class Api(NamedTuple):
    """One kind as the API server addresses it."""

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
    """The selection of a list or a watch, made by the server."""

    labels: str = ""
    fields: str = ""
    metadata_only: bool = False
    """Objects come without anything but their metadata: large ones cost no memory."""


class ListPage(NamedTuple):
    """A part of a list."""

    version: int
    """Resource version of the whole list: the same on all pages."""
    items: list[Body]


class Cluster(Protocol):
    """The operator's operations at the API server. Every method raises `ClusterError`."""

    def pages(self, api: Api, namespace: str | None, selection: ObjectSelection) -> AsyncIterator[ListPage]:
        """List, in pages of one consistent state; ``namespace`` None is everywhere."""
        ...

    async def get(self, api: Api, namespace: str | None, name: str) -> Body:
        """One object."""
        ...

    async def apply(self, api: Api, body: Body) -> Body:
        """Server-side apply as the operator's field manager, with force; gives the object as it is then."""
        ...

    async def create(self, api: Api, body: Body) -> Body:
        """Create an object; `ConflictError` if it exists."""
        ...

    async def replace(self, api: Api, body: Body) -> Body:
        """Replace; `ConflictError` when its resource version isn't the newest."""
        ...

    async def patch(
        self, api: Api, namespace: str | None, name: str, body: Body, *, subresource: str | None = None
    ) -> Body:
        """JSON merge patch."""
        ...

    async def delete(self, api: Api, namespace: str, name: str, *, uid: str, orphan: bool = False) -> None:
        """Delete exactly this object, and its dependents except with ``orphan``; no error if it is gone."""
        ...

    async def serves(self, api: Api) -> bool:
        """Whether the kind exists here."""
        ...
