"""One operation of the API: what it takes and gives, as data, so that the server and the description never differ."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import web

from trackpush_server.admin.identity import Identity, Role


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request, read and checked."""

    identity: Identity
    request: web.Request
    path: Mapping[str, str]
    query: Any
    """Of the operation's ``query`` type."""
    body: Any
    """Of the operation's ``body`` type."""


@dataclass(frozen=True, kw_only=True)
class Operation:
    """A method of a path."""

    method: Literal["GET", "POST", "DELETE"]
    path: str
    """Below /api/v1, with ``{names}``."""
    name: str
    """The description's operationId."""
    summary: str
    handler: Callable[[Call], Awaitable[Any]]
    """Gives what is sent, of the type ``answer``; or a response that it sent itself."""
    answer: Any
    query: Any = None
    body: Any = None
    status: int = 200
    role: Role = "view"
    errors: tuple[int, ...] = ()
    """Besides 400, 401, 403 and 503."""
    path_patterns: Mapping[str, str] = field(default_factory=dict)
    """What the parts of the path look like, as regular expressions."""
    content_type: str = "application/json"
