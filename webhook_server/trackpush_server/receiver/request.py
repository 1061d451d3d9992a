"""One parsed request, with only the fields that the receiver needs, instead of aiohttp's general request object."""

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import asyncio

    from aiohttp import HttpVersion, StreamReader
    from multidict import CIMultiDictProxy


class RequestConnection(Protocol):
    """The connection that a request came through."""

    peer: str
    """Address of the other end: the sender, or the proxy in between."""

    @property
    def transport(self) -> "asyncio.Transport | None":
        """None once the client is gone."""
        ...


class Request:
    """A head, and the stream of its body."""

    __slots__ = ("_connection", "content", "headers", "keep_alive", "method", "target", "trace", "version")

    def __init__(self, message: Any, content: "StreamReader", connection: RequestConnection) -> None:
        """``message`` is what aiohttp's parser gives; its class differs with and without the C extension."""
        self.method: str = message.method
        self.target: str = message.path or ""  # the parser gives None for an empty one, which it takes after CONNECT
        """As in the request line."""
        self.version: HttpVersion = message.version
        self.headers: CIMultiDictProxy[str] = message.headers
        self.keep_alive: bool = not message.should_close
        """Whether the client wants the connection to stay."""
        self.trace: str | None = None
        """The span that stored its updates, once there is one; see `NewUpdate.trace`."""
        self.content = content
        self._connection = connection

    @property
    def peer(self) -> str:
        """Address of the other end: the sender, or the proxy in between."""
        return self._connection.peer

    @property
    def transport(self) -> "asyncio.Transport | None":
        """None once the client is gone."""
        return self._connection.transport

    def _cancel(self, error: BaseException) -> None:
        """Called by aiohttp's protocol when the connection is lost: ends the body."""
        self.content.set_exception(error)
