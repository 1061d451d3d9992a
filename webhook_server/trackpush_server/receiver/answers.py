"""The answers to aggregators that the README lists, encoded once.

The aggregators' panels treat only 200 as success, so no answer is 201, 202, 204 or 500. An update that can't be stored
now gets 503, and the aggregator sends it again. Messages say who, what was found and what to do, but never which keys
exist.
"""

from functools import lru_cache
from http import HTTPStatus

import msgspec

from trackpush_api.aggregators import KEY_HEADERS, PROFILES
from trackpush_api.routing import Definition, KeyPlaces
from trackpush_api.vocabulary import AggregatorName, slug_of

RETRY_BUSY = 5
"""Seconds in Retry-After while the server is overloaded: this usually ends soon."""
RETRY_UNAVAILABLE = 30
"""Seconds in Retry-After while nothing can be stored: somebody must fix the cause."""

OF_CONTENT = frozenset({"body_timeout", "body_too_large", "incomplete_body", "malformed_body", "too_many_updates"})
"""Refusals because of what the sender posted, and not because of its key."""

_ALLOW = "GET, HEAD, OPTIONS, POST"
_PLACES = f"a header {', '.join(KEY_HEADERS)} or Authorization, ?key=, or /notify/KEY"


class Response:
    """An answer as bytes, shared by all requests that get it. `ReceiverConnection` writes it.

    With ``ends``, the connection is closed after the answer, because the request's body was not read completely.
    """

    __slots__ = ("code", "content", "ends", "head", "headers", "message", "refusal")

    def __init__(
        self,
        status: int,
        body: bytes,
        headers: tuple[tuple[str, str], ...] = (),
        *,
        ends: bool = False,
        refusal: str | None = None,
        message: str = "",
    ) -> None:
        self.code = str(status)
        self.headers = headers
        self.ends = ends
        self.refusal = refusal
        """The ``error`` in the body: why nothing was stored. None if the request succeeded."""
        self.message = message
        """The ``message`` in the body."""
        lines = [
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
            *(f"{name}: {value}" for name, value in headers),
        ]
        self.head = "\r\n".join(lines).encode("ascii") + b"\r\n"
        """The head, without Date and Connection, which are added for each request."""
        self.content = body


def _refusal(
    status: int, error: str, message: str, headers: tuple[tuple[str, str], ...] = (), *, ends: bool = False
) -> Response:
    body = msgspec.json.encode({"error": error, "message": message})
    return Response(status, body, headers, ends=ends, refusal=error, message=message)


@lru_cache(maxsize=1024)
def stored(accepted: int, duplicates: int) -> Response:
    """200: all updates are on disk."""
    return Response(200, b'{"accepted": %d, "duplicates": %d}' % (accepted, duplicates))


@lru_cache(maxsize=64)
def also_unrecognised(answer: Response, count: int) -> Response:
    """The answer of `stored`, with the number of bodies that were kept as unrecognised."""
    return Response(200, answer.content[:-1] + b', "unrecognised": %d}' % count)


PROBE = stored(0, 0)
"""200, nothing stored. The panels refuse to save a URL that answers with another status."""

OPTIONS = Response(200, PROBE.content, (("Allow", _ALLOW),))

_URLS = ", ".join(
    f".../{facts.path_segment}/notify" + ("" if facts.path_segment == slug_of(aggregator) else f" for {aggregator}")
    for aggregator, facts in PROFILES.items()
)

NOT_FOUND = _refusal(
    404,
    "not_found",
    "Nothing is served at this host and path. Post to the URL that the status of the client's AggregatorWebhook shows:"
    f" https://HOST/rms/in/api/{_URLS.removeprefix('.../')}.",
)

WRONG_METHOD = _refusal(
    405, "method_not_allowed", "Only POST is supported for tracking updates.", (("Allow", _ALLOW),), ends=True
)


@lru_cache(maxsize=1024)
def unauthorized(aggregator: AggregatorName) -> Response:
    """401: the body contains updates, but no key in the request is known. Same answer for a wrong key and for none."""
    member = PROFILES[aggregator].key_member if aggregator in PROFILES else None
    return _refusal(
        401,
        "unauthorized",
        f"This request has no key, or no client of {aggregator} has its key. Put the key of the client's"
        f" AggregatorWebhook into {_PLACES}" + (f", or send {aggregator}'s {member} in the body." if member else "."),
    )


@lru_cache(maxsize=1024)
def unauthorized_by(definition: Definition) -> Response:
    """401 for an aggregator that has a definition. The message lists the places for keys in the definition."""
    return _refusal(401, "unauthorized", _what_is_missing(definition))


def _what_is_missing(definition: Definition) -> str:
    url = "or post to /notify/KEY with that key."
    if definition.all_of:
        places = " and one in ".join(names_of_places(places) for places in definition.all_of)
        what = f"the keys of a client of {definition.name}. Put one in {places}"
    else:
        places = names_of_places(definition.key_places, general=True)
        what = f"the key of a client of {definition.name}. Put it into {places}"
    if definition.signature is None:
        return f"This request does not have {what}, {url}"
    signature = definition.signature
    prefix = f" after {signature.prefix!r}" if signature.prefix else ""
    signed = (
        f"a signature by a key of a client of {definition.name}: send the HMAC-SHA256 of the body in the header"
        f" {signature.header}, as {signature.encoding}{prefix}"
    )
    also = f"{signed}; or it does not have {what}" if definition.all_of else signed
    return f"This request does not have {also}, {url}"


def names_of_places(places: KeyPlaces, *, general: bool = False) -> str:
    """The places for people, such as ``the header A, B or ?c=``."""
    headers, query = list(places.headers), [f"?{name}=" for name in places.query]
    if general:
        headers, query = list(dict.fromkeys([*headers, "Authorization"])), list(dict.fromkeys([*query, "?key="]))
    words = [*headers, *query]
    text = words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
    return f"the header {text}" if headers else text


@lru_cache(maxsize=1024)
def ending(answer: Response) -> Response:
    """The same answer, for a request whose body is not read to its end."""
    return Response(
        int(answer.code), answer.content, answer.headers, ends=True, refusal=answer.refusal, message=answer.message
    )


def malformed(message: str) -> Response:
    """400: the body is invalid."""
    return _refusal(400, "malformed_body", message)


BAD_REQUEST = _refusal(400, "bad_request", "This is not a valid HTTP/1.1 request.", ends=True)

BAD_HOST = _refusal(
    400, "bad_host", "The Host header or the URL in the request line is not NAME, NAME:PORT or [IPv6].", ends=True
)

HEAD_TOO_LARGE = _refusal(
    431, "head_too_large", "The request line or the headers are too large. Send fewer or shorter headers.", ends=True
)

HTTP_VERSION = _refusal(505, "http_version", "Use HTTP/1.1 or HTTP/1.0.", ends=True)

TRANSFER_CODING = _refusal(
    501,
    "transfer_coding",
    "Only the Transfer-Encoding chunked is supported. Compress by Content-Encoding.",
    ends=True,
)

INCOMPLETE = _refusal(
    400, "incomplete_body", "The body is incomplete or does not match its headers. Send it again.", ends=True
)

SLOW_BODY = _refusal(
    408, "body_timeout", "The body did not arrive in time. Nothing was stored; send it again.", ends=True
)


def _later(error: str, message: str, seconds: int, *, ends: bool = False) -> Response:
    return _refusal(503, error, message, (("Retry-After", str(seconds)),), ends=ends)


OVERLOADED = _later("overloaded", "Too many requests are in progress. Nothing was stored; send it again.", RETRY_BUSY)

TOO_MANY_BODIES = _later(
    "overloaded", "Too many bodies are arriving. Nothing was stored; send it again.", RETRY_BUSY, ends=True
)

TOO_MANY_CONNECTIONS = _later(
    "overloaded", "Too many connections. Nothing was stored; send it again.", RETRY_BUSY, ends=True
)

UNAVAILABLE = _later("unavailable", "Nothing can be stored now. Send it again later.", RETRY_UNAVAILABLE)

NOT_READY = _later("not_ready", "The server is starting. Send it again.", RETRY_BUSY)

INCOMPLETE_TABLE = _later(
    "not_ready",
    "The key of this request isn't known, but not all clients are loaded. Nothing was stored; send it again later.",
    RETRY_UNAVAILABLE,
)
"""Used instead of 401 while a part of the routing table is missing: after a 401 the aggregator may drop the update."""


INCOMPLETE_ROUTES = _later(
    "not_ready",
    "No aggregator has this URL, but not all aggregators are loaded. Nothing was stored; send it again later.",
    RETRY_UNAVAILABLE,
)
"""Used instead of 404 while a part of the routing table is missing."""


MISSING_KEY = _later(
    "missing_key",
    "The key of this request is missing at the moment. Nothing was stored; send it again later.",
    RETRY_UNAVAILABLE,
)
"""Used instead of 401 while a key may come back.

Its Secret was deleted less than a minute ago, or its client is held back (`trackpush_server.tenancy`).
"""


def unexpected(reference: str) -> Response:
    """503 after an internal error. The log has the same reference, and the aggregator sends the update again."""
    return _later("unexpected", f"The server failed (reference {reference}). Send it again.", RETRY_UNAVAILABLE)


@lru_cache(maxsize=64)
def too_many_updates(limit: int) -> Response:
    """413: the body contains more than ``limit`` updates."""
    return _refusal(
        413, "too_many_updates", f"The body contains more than {limit} updates. Send fewer updates at once.", ends=True
    )


@lru_cache(maxsize=64)
def too_large(limit: int) -> Response:
    """413: the body is larger than ``limit`` bytes, compressed or decompressed."""
    return _refusal(
        413, "body_too_large", f"The body is larger than {limit} bytes. Send fewer updates at once.", ends=True
    )
