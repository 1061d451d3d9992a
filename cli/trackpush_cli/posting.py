"""Posts one body to a webhook URL as an aggregator would, and explains what came back.

http.client rather than aiohttp: `trackpush send` is one request at a time, and starts ten times as fast without it.
"""

import contextlib
import http.client
import json
import socket
import ssl
import time
from enum import StrEnum
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from trackpush_api.vocabulary import Aggregator
from trackpush_cli.errors import CannotStartError

DEFAULT_BASE_PATH = "/rms/in/api"
_MAX_ANSWER = 64 * 1024


class KeyPlace(StrEnum):
    """Where a request carries the key (DESIGN §3)."""

    HEADER = "header"
    """``webhook_key`` for Clickpost, ``x-api-key`` for the others."""
    AUTHORIZATION = "authorization"
    QUERY = "query"
    PATH = "path"
    BODY = "body"
    """Shipway's ``hash``."""


DEFAULT_PLACE = {
    Aggregator.CLICKPOST: KeyPlace.HEADER,
    Aggregator.SHIPROCKET: KeyPlace.HEADER,
    Aggregator.SHIPWAY: KeyPlace.QUERY,
}
"""Where the aggregators themselves put it. Shipway sends no header: it is given a URL that carries the key."""

KEY_HEADER = {Aggregator.CLICKPOST: "webhook_key", Aggregator.SHIPROCKET: "x-api-key", Aggregator.SHIPWAY: "x-api-key"}


class Target(NamedTuple):
    """Where a request goes."""

    scheme: str
    host: str
    port: int | None
    path: str
    """Path and query, as they stand in the request line."""
    headers: dict[str, str]

    @property
    def origin(self) -> str:
        """Scheme, host and port, for messages."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + (f":{self.port}" if self.port else "")


class Reply(NamedTuple):
    """What came back. ``milliseconds`` is from the first byte sent to the last byte read."""

    status: int
    body: bytes
    headers: http.client.HTTPMessage
    milliseconds: float


def target(url: str, aggregator: Aggregator, key: str | None, place: KeyPlace) -> Target:
    """The request's address and headers, with the key in its place.

    A URL that has only scheme and host gets the aggregator's path of the default base path.

    Raises:
        CannotStartError: the URL is none that can be posted to.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise CannotStartError(f"--url {url!r}: {error}; expected something like http://127.0.0.1:8080") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise CannotStartError(f"--url {url!r} is no http:// or https:// URL; expected something like http://127.0.0.1:8080")
    path = parts.path if parts.path.strip("/") else f"{DEFAULT_BASE_PATH}/{aggregator.path_segment}/notify"
    query = parse_qsl(parts.query, keep_blank_values=True)
    headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "trackpush-send"}
    if key is not None:
        if place is KeyPlace.HEADER:
            headers[KEY_HEADER[aggregator]] = key
        elif place is KeyPlace.AUTHORIZATION:
            headers["Authorization"] = key
        elif place is KeyPlace.QUERY:
            query.append(("key", key))
        elif place is KeyPlace.PATH:
            path = f"{path.rstrip('/')}/{quote(key, safe='')}"
    return Target(parts.scheme, parts.hostname, port, path + (f"?{urlencode(query)}" if query else ""), headers)


class Poster:
    """Posts bodies to one target over one kept-alive connection. Use as a context manager."""

    def __init__(self, where: Target, *, timeout: float) -> None:
        self._target = where
        kind = http.client.HTTPSConnection if where.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(where.host, where.port, timeout=timeout)
        self._timeout = timeout

    def __enter__(self) -> "Poster":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def post(self, body: bytes) -> Reply:
        """Post one body.

        Raises:
            CannotStartError: there was no answer; the message says why and what to do.
        """
        started = time.perf_counter()
        try:
            self._connection.request("POST", self._target.path, body, self._target.headers)
            response = self._connection.getresponse()
            content = response.read(_MAX_ANSWER)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise CannotStartError(self._no_answer(error)) from None
        elapsed = (time.perf_counter() - started) * 1000
        if response.will_close or not response.isclosed():
            self._connection.close()
        return Reply(response.status, content, response.headers, elapsed)

    def _no_answer(self, error: Exception) -> str:
        where = self._target.origin
        match error:
            case ConnectionRefusedError():
                return f"{where} refused the connection: nothing listens there; start `trackpush serve DIR` or correct --url"
            case TimeoutError():
                return f"{where} did not answer within {self._timeout:g} s; is it the right address, and is the server busy?"
            case socket.gaierror():
                return f"host {self._target.host!r} was not found ({error.strerror}); correct --url"
            case ssl.SSLCertVerificationError():
                return f"{where}: its certificate is not trusted ({error.verify_message}); set SSL_CERT_FILE to its CA"
            case ssl.SSLError():
                return f"{where} does not speak TLS there ({error.reason}); http:// instead of https://?"
            case http.client.RemoteDisconnected() | ConnectionResetError():
                return f"{where} closed the connection without an answer; is that port the receiver's (--listen)?"
            case http.client.HTTPException():
                return f"{where} answered something that is not HTTP ({type(error).__name__}); is the port right?"
            case UnicodeEncodeError() | ValueError():
                return f"the request to {where} can't be written: {error}; the key may hold letters that headers can't carry"
            case _:
                return f"{where} can't be reached: {error}"


def explain(reply: Reply, where: Target, aggregator: Aggregator, place: KeyPlace | None) -> str:
    """What an answer other than 200 means and what to do, in one line."""
    path = where.path.split("?", 1)[0] if place is not KeyPlace.PATH else where.path.rsplit("/", 1)[0]
    match reply.status:
        case 401:
            return _explain_401(aggregator, place)
        case 404:
            return (
                f"404: nothing is served at {path} for host {where.host!r}; a WebhookServer's spec.hosts must name the "
                "host (loopback names and IP addresses always work) and its spec.basePath start the path"
            )
        case 405:
            return f"405: {path} takes no POST; use the URL of a notify path, or only scheme and host"
        case 400:
            return "400: the body is no JSON that the server could read; look at --file"
        case 413:
            return "413: the body is larger than the WebhookServer's spec.limits allow"
        case 503:
            seconds = reply.headers.get("Retry-After")
            after = f" (it asks to retry after {seconds} s)" if seconds else ""
            return f"503: the server can store nothing now{after}; its log and /readyz of the admin port say why"
        case status if 300 <= status < 400:  # noqa: PLR2004  HTTP's own classes
            return f"{status}: redirects to {reply.headers.get('Location', 'nowhere')}; give that address as --url"
        case status:
            return f"{status}: only 200 is success; is a proxy in front of the server? Its own log says more"


def _explain_401(aggregator: Aggregator, place: KeyPlace | None) -> str:
    if place is None:
        return f"401: no key was sent; give the client's key for {aggregator} with --key, --key-file or TRACKPUSH_KEY"
    header = f" ({KEY_HEADER[aggregator]})" if place is KeyPlace.HEADER else ""
    return (
        f"401: no AggregatorWebhook with aggregator: {aggregator} has this key (sent in the {place}{header}); compare it "
        "with the Secret that spec.keys names, and see that `trackpush check DIR` accepts that resource"
    )


def readable(body: bytes) -> str:
    """An answer's body for the terminal: JSON on one line, anything else cut and printable."""
    with contextlib.suppress(ValueError):
        return json.dumps(json.loads(body), ensure_ascii=False)
    text = body[:500].decode("utf-8", "replace")
    return "".join(character if character.isprintable() else " " for character in text).strip() or "(empty)"
