"""One operation of the API: its input and output as data, so that the server and the description never differ."""

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
    """A method of a path."""

    method: Method
    path: str
    """Below /api/v1, with ``{names}``."""
    name: str
    """The description's operationId."""
    summary: str
    handler: Handler
    """Takes the call, and ``query`` and ``body`` where the operation has them. Gives what is sent, of the type
    ``answer``; or a response that it sent itself."""
    answer: Any
    query: Any
    """None: it takes no parameters."""
    body: Any
    """None: it takes no body."""
    status: int
    errors: tuple[int, ...]
    """Besides 400, 401, 403 and 503."""
    path_patterns: Mapping[str, str]
    """What the parts of the path look like, as regular expressions."""
    content_type: str

    @property
    def role(self) -> Role:
        """The role that the caller needs: a viewer may only read."""
        return "view" if self.method == "GET" else "operate"


def operation(
    method: Method,
    path: str,
    *,
    answer: Any = None,
    status: int = 200,
    errors: tuple[int, ...] = (),
    path_patterns: Mapping[str, str] = MappingProxyType({}),
    content_type: str = "application/json",
) -> Callable[[Handler], Operation]:
    """Make an operation of its handler.

    The handler's name is the operation's, its docstring the summary, and its annotations say what ``query``, ``body``
    and answer are; ``answer`` says it where the handler sends the response itself. The rest: see `Operation`.
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
            content_type=content_type,
        )

    return made


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
