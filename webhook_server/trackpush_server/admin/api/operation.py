"""One operation of the API, described as data. Server and OpenAPI description both use it, so they always agree."""

import typing
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from aiohttp import web

from trackpush_server.admin.desk import AdminServices
from trackpush_server.admin.identity import Identity, Role

Method = Literal["GET", "POST", "DELETE"]
Handler = Callable[..., Awaitable[Any]]


@dataclass(frozen=True, kw_only=True)
class ApiCall:
    """One request, parsed and checked."""

    desk: AdminServices
    identity: Identity
    request: web.Request
    path: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One HTTP method of one path."""

    method: Method
    path: str
    """The path below /api/v1, with ``{names}`` for variable parts."""
    name: str
    """The operationId in the description."""
    summary: str
    handler: Handler
    """Takes the call, and ``query`` and ``body`` if the operation has them.

    Returns the data to send, of the type ``answer``, or a response that it has already sent.
    """
    answer: Any
    query: Any
    """Type of the parameters; None if it takes none."""
    body: Any
    """Type of the body; None if it takes none."""
    status: int
    errors: tuple[int, ...]
    """Possible error statuses besides 400, 401, 403 and 503."""
    path_patterns: Mapping[str, str]
    """Regular expressions for the variable parts of the path."""
    streamed_as: tuple[str, ...]
    """Media types of an answer that the handler streams itself; empty: one JSON document."""
    secret: bool
    """Whether the answer has credentials, so that a viewer may not read it."""

    @property
    def role(self) -> Role:
        """The role that the caller needs: a viewer may only read what has no credentials."""
        return "view" if self.method == "GET" and not self.secret else "operate"


def operation(
    method: Method,
    path: str,
    *,
    answer: Any = None,
    status: int = 200,
    errors: tuple[int, ...] = (),
    path_patterns: Mapping[str, str] = MappingProxyType({}),
    streamed_as: tuple[str, ...] = (),
    secret: bool = False,
) -> Callable[[Handler], Operation]:
    """Create an operation from its handler.

    The handler's name becomes the operation's name, its docstring the summary, and its annotations the types of
    ``query``, ``body`` and answer. If the handler sends the response itself, pass the type of the ``answer``. For the
    other arguments see `Operation`.
    """

    def made(handler: Handler) -> Operation:
        types = typing.get_type_hints(handler)
        return Operation(
            method=method,
            path=path,
            name=_camel(handler.__name__),
            summary=(handler.__doc__ or "").removesuffix("."),
            handler=handler,
            answer=answer or types["return"],
            query=types.get("query"),
            body=types.get("body"),
            status=status,
            errors=errors,
            path_patterns=path_patterns,
            streamed_as=streamed_as,
            secret=secret,
        )

    return made


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
