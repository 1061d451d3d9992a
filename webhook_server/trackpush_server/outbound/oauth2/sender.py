"""A sender that adds a token to every push. If the client refuses the token, the push is sent again with a new one."""

import asyncio
from collections import deque

import msgspec

from trackpush_server.outbound.oauth2.source import TokenSource
from trackpush_server.outbound.oauth2.token import Token
from trackpush_server.outbound.pool import ConnectionPool
from trackpush_server.outbound.port import Answer, Sender

_UNAUTHORIZED = 401
_TOKENS_IN_USE = 4


class AuthorizingSender:
    """Sends to one destination through another sender; see `port.Sender`."""

    def __init__(self, sender: Sender, source: TokenSource, pool: ConnectionPool) -> None:
        """``pool`` is the sender's pool. It gets the tokens, which no excerpt may show."""
        self._sender = sender
        self._source = source
        self._pool = pool
        self._secrets = pool.secrets
        self._shown: deque[str] = deque(maxlen=_TOKENS_IN_USE)
        self._loop = asyncio.get_running_loop()
        self._attempts: set[asyncio.Task[Answer]] = set()

    def post(self, headers: bytes, body: bytes) -> asyncio.Future[Answer]:
        """Start one attempt; see `port.Sender`. It takes up to four requests: token and push, and both again."""
        task = self._loop.create_task(self._attempt(headers, body))
        self._attempts.add(task)
        task.add_done_callback(self._attempts.discard)
        return task

    async def close(self) -> None:
        """Cancel token requests and close the pool; see `port.Sender`."""
        await self._source.close()
        await self._sender.close()
        await asyncio.gather(*self._attempts, return_exceptions=True)

    async def _attempt(self, headers: bytes, body: bytes) -> Answer:
        started = self._loop.time()
        cached = self._source.current()
        token = cached or await self._source.fresh()
        if isinstance(token, Answer):
            return self._since(started, token)
        answer = await self._send(token, headers, body)
        if cached is None:
            return self._since(started, answer)
        if answer.status != _UNAUTHORIZED:
            return answer
        other = await self._source.replace(cached)
        if other is None:
            return answer
        if isinstance(other, Answer):
            detail = f"{other.detail} (the endpoint had answered 401 to the last token)"
            return self._since(started, msgspec.structs.replace(other, detail=detail))
        return self._since(started, _tell_of_both(await self._send(other, headers, body)))

    async def _send(self, token: Token, headers: bytes, body: bytes) -> Answer:
        if token.value not in self._shown:
            self._shown.append(token.value)
            self._pool.secrets = (*self._secrets, *self._shown)
        return await self._sender.post(token.line + headers, body)

    def _since(self, started: float, answer: Answer) -> Answer:
        return msgspec.structs.replace(answer, duration=self._loop.time() - started)


def _tell_of_both(answer: Answer) -> Answer:
    if answer.status != _UNAUTHORIZED:
        return answer
    said = f": {answer.detail}" if answer.detail else ""
    return msgspec.structs.replace(answer, detail=f"with a new token, too{said}")
