"""The token endpoint: one request of RFC 6749, section 4.4, limited in time and size.

The client's id and secret are sent in the Authorization header, which every server must support. If the server refuses
them there, one more request has them in the body, as section 2.3.1 allows. The way that works is remembered.
"""

import asyncio
import base64
import ssl
import time
from collections.abc import Sequence
from urllib.parse import quote_plus, urlencode

import aiohttp
import msgspec
from yarl import URL

from trackpush_api.routing import OAuth2
from trackpush_server.outbound.alerts import alert
from trackpush_server.outbound.dial import Dialler
from trackpush_server.outbound.failures import AttemptError
from trackpush_server.outbound.oauth2.connector import DialledConnector
from trackpush_server.outbound.oauth2.reading import read_grant, read_refusal, token_failure
from trackpush_server.outbound.oauth2.token import Grant
from trackpush_server.outbound.port import Answer, Failure
from trackpush_server.outbound.request import USER_AGENT
from trackpush_server.outbound.retry_after import parse_retry_after
from trackpush_server.outbound.target import Target

MAX_CONTENT = 64 * 1024
"""Maximum bytes of a response's body; a larger one is refused."""
_REFUSED = ("HTTP 401", "HTTP 400 invalid_client", "HTTP 400 invalid_request")
"""Causes with these beginnings lead to a request in the other way; some servers report a missing id as invalid_request.
"""
_WRONG_CLIENT = ("HTTP 400 invalid_client", "HTTP 401 invalid_client")
_MULTIPLE_CHOICES = 300


class _Progress(msgspec.Struct):
    deadline: float
    stage: str = "connecting"


class TokenEndpoint:
    """Requests tokens for one version of a destination."""

    def __init__(
        self, credentials: OAuth2, target: Target, dialler: Dialler, *, timeout: float, secrets: Sequence[str]
    ) -> None:
        """``timeout``: seconds for one complete `ask`; ``secrets``: values that no message may show."""
        self._credentials = credentials
        self._url = URL(
            f"{'https' if target.tls else 'http'}://{target.authority}{target.request_target}", encoded=True
        )
        self._endpoint = target.endpoint
        self._dialler = dialler
        self._timeout = timeout
        basic = _basic(credentials)
        self._basic = f"Basic {basic}"
        self._secrets = (*secrets, basic, quote_plus(credentials.client_secret))
        self._in_body = False

    async def ask(self) -> Grant | Answer:
        """A new token, or the answer for every push that needs the token. Raises nothing except cancellation."""
        progress = _Progress(asyncio.get_running_loop().time() + self._timeout)
        try:
            async with asyncio.timeout_at(progress.deadline):
                return await self._ask_either_way(progress)
        except AttemptError as error:
            return token_failure(error.failure.value, error.detail, is_permanent=error.is_permanent)
        except TimeoutError:
            return token_failure("timeout", f"time-out of {self._timeout:g} s while {progress.stage}")
        except aiohttp.ClientError as error:
            return token_failure(Failure.PROTOCOL.value, f"{self._endpoint}: {type(error).__name__}")
        except Exception as error:  # noqa: BLE001 - a bug becomes an answer, too: the future of a push never fails
            return token_failure("internal error", type(error).__name__)

    async def _ask_either_way(self, progress: _Progress) -> Grant | Answer:
        first = await self._ask_once(progress, in_body=self._in_body)
        if isinstance(first, Grant) or not _refuses_client(first):
            return first
        second = await self._ask_once(progress, in_body=not self._in_body)
        if isinstance(second, Grant):
            self._in_body = not self._in_body
            return second
        return second if second.cause in _WRONG_CLIENT else first

    async def _ask_once(self, progress: _Progress, *, in_body: bool) -> Grant | Answer:
        connector = DialledConnector(self._dialler, progress)
        try:
            return await self._request(connector, in_body=in_body)
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError):
            return _ended(await connector.end(), self._endpoint)

    async def _request(self, connector: DialledConnector, *, in_body: bool) -> Grant | Answer:
        form = self._form(in_body=in_body)
        headers = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "Content-Type": "application/x-www-form-urlencoded",
            "User-Agent": USER_AGENT,
        }
        if not in_body:
            headers["Authorization"] = self._basic
        async with (
            aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),
                auto_decompress=False,
            ) as session,
            session.post(self._url, data=form, headers=headers, allow_redirects=False) as response,
        ):
            content = await _read(response)
            if content is None:
                return token_failure("invalid answer", f"its body has more than {MAX_CONTENT} bytes")
            if response.ok and response.status < _MULTIPLE_CHOICES:
                return read_grant(content)
            after = response.headers.get("Retry-After")
            return read_refusal(
                response.status,
                content,
                request=form,
                secrets=self._secrets,
                retry_after=None if after is None else parse_retry_after(after, time.time()),
            )

    def _form(self, *, in_body: bool) -> bytes:
        fields = {"grant_type": "client_credentials"}
        if self._credentials.scopes:
            fields["scope"] = " ".join(self._credentials.scopes)
        if in_body:
            fields |= {"client_id": self._credentials.client_id, "client_secret": self._credentials.client_secret}
        return urlencode(fields).encode("ascii")


def _refuses_client(answer: Answer) -> bool:
    return answer.cause is not None and answer.cause.startswith(_REFUSED)


def _ended(by: BaseException | None, endpoint: str) -> Answer:
    if isinstance(by, ssl.SSLError):  # with TLS 1.3, a server refuses a client certificate after the handshake
        return token_failure(Failure.TLS.value, f"{endpoint}: TLS ended by the other side: {alert(by)}")
    return token_failure(Failure.RESET.value, f"{endpoint} closed the connection without a complete response")


def _basic(credentials: OAuth2) -> str:
    """The header for Basic, with both parts form-urlencoded first (RFC 6749, section 2.3.1)."""
    pair = f"{quote_plus(credentials.client_id)}:{quote_plus(credentials.client_secret)}"
    return base64.b64encode(pair.encode("ascii")).decode("ascii")


async def _read(response: aiohttp.ClientResponse) -> bytes | None:
    content = bytearray()
    async for piece in response.content.iter_any():
        content += piece
        if len(content) > MAX_CONTENT:
            return None
    return bytes(content)
