"""One parsed request, with only the fields that the receiver needs, instead of aiohttp's general request object."""

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import asyncio

    from aiohttp import HttpVersion, StreamReader
    from multidict import CIMultiDictProxy


class RequestConnection(Protocol):
    """The connection that a request came through."""

    peer: str
    """Address of the other end: the sender, or a proxy."""

    @property
    def transport(self) -> "asyncio.Transport | None":
        """None after the client closed the connection."""
        ...


class Request:
    """The head of a request, and the stream of its body."""

    __slots__ = ("_connection", "account", "content", "headers", "keep_alive", "method", "target", "trace", "version")

    def __init__(self, message: Any, content: "StreamReader", connection: RequestConnection) -> None:
        """``message`` is the result of aiohttp's parser; its class depends on whether the C extension is installed."""
        self.method: str = message.method
        self.target: str = message.path or ""  # the parser gives None for the empty path that it accepts after CONNECT
        """The target as in the request line."""
        self.version: HttpVersion = message.version
        self.headers: CIMultiDictProxy[str] = message.headers
        self.keep_alive: bool = not message.should_close
        """Whether the client wants to keep the connection open."""
        self.account: str | None = None
        """Name of the account that its key belongs to, once that is known."""
        self.trace: str | None = None
        """The span that stored its updates, if there is one; see `NewUpdate.trace`."""
        self.content = content
        self._connection = connection

    @property
    def peer(self) -> str:
        """Address of the other end: the sender, or a proxy."""
        return self._connection.peer

    @property
    def transport(self) -> "asyncio.Transport | None":
        """None once the client is gone."""
        return self._connection.transport

    def _cancel(self, error: BaseException) -> None:
        """End the body. aiohttp's protocol calls this when the connection is lost."""
        self.content.set_exception(error)
