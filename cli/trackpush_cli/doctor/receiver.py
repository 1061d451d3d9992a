"""Checks the receiver through its proxies, with requests that store nothing."""

import http.client
import json
import secrets
import socket
import ssl
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from trackpush_aggregators import compose, strangers
from trackpush_api.aggregators import KEY_HEADERS, PROFILES
from trackpush_api.vocabulary import Aggregator, AggregatorName
from trackpush_cli.doctor.hosts import SECONDS, Way
from trackpush_cli.doctor.outcome import CheckResult, fail, ok, warn
from trackpush_server.receiver.probes import DOCTOR

Headers = Mapping[str, str]
_KEY_HEADERS: Final = (*KEY_HEADERS, "Authorization")
_AGENT: Final = "trackpush-doctor"
_MOST_ANSWER: Final = 64 * 1024
_SPARE: Final = 4096
_LARGEST: Final = 1024 * 1024
"""Bytes of the largest test body; no aggregator sends more at once."""
_UNAVAILABLE: Final = frozenset({HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT})


class _Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


class _Broken(Exception):  # noqa: N818  never leaves this module
    """There was no answer; the message says why."""


def way_to(url: str, via: tuple[str, int] | None) -> Way:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return Way(parts.scheme, parts.hostname or "", port, via)


def examine(
    aggregator: AggregatorName, url: str, via: tuple[str, int] | None, *, max_body: int, headers: Sequence[str] = ()
) -> Iterator[CheckResult]:
    """Check how this URL answers an aggregator's panel and posts, up to the first missing answer.

    ``headers`` are those of its definition.
    """
    way, path = way_to(url, via), urlsplit(url).path
    try:
        first = _send(way, "GET", path)
        yield _probe(url, "GET", first)
        if first.status != HTTPStatus.OK:
            return
        yield _probe(url, "POST {}", _send(way, "POST", path, b"{}"))
        yield _headers(url, way, path, tuple(dict.fromkeys((*_KEY_HEADERS, *headers))))
        yield _wrong_key(url, way, path, aggregator)
        yield _large(url, way, path, min(max_body, _LARGEST))
    except _Broken as error:
        yield fail("probe", url, str(error), "check that the ingress passes this host and path to the server's Service")


def _send(way: Way, method: str, path: str, body: bytes | None = None, headers: Headers | None = None) -> _Reply:
    given = {"Host": _authority(way), "User-Agent": _AGENT, **(headers or {})}
    if body is not None:
        given["Content-Type"] = "application/json"
    connection = _connection(way)
    try:
        connection.request(method, path, body, given)
        answer = connection.getresponse()
        content = answer.read(_MOST_ANSWER)
        return _Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, content)
    except (OSError, http.client.HTTPException) as error:
        raise _Broken(f"{method}: no answer ({type(error).__name__}: {error})") from None
    finally:
        connection.close()


def _connection(way: Way) -> http.client.HTTPConnection:
    host, port = way.address
    connection = http.client.HTTPConnection(host, port, timeout=SECONDS)
    if way.scheme == "https":
        plain = socket.create_connection((host, port), timeout=SECONDS)
        connection.sock = ssl.create_default_context().wrap_socket(plain, server_hostname=way.host)
    return connection


def _authority(way: Way) -> str:
    default = 443 if way.scheme == "https" else 80
    return way.host if way.port == default or way.via is not None else f"{way.host}:{way.port}"


def _probe(url: str, what: str, reply: _Reply) -> CheckResult:
    if reply.status == HTTPStatus.OK:
        return ok("probe", url, f"{what} is answered 200, as the panels require")
    if HTTPStatus.MULTIPLE_CHOICES <= reply.status < HTTPStatus.BAD_REQUEST:
        where = reply.headers.get("location", "nowhere")
        advice = "give the aggregator that URL, or stop the redirect: aggregators don't follow redirects"
        return fail("probe", url, f"{what} is redirected to {where} ({reply.status})", advice)
    if reply.status == HTTPStatus.NOT_FOUND:
        return fail("probe", url, f"{what} is answered 404 by {_who(reply)}", _route(reply))
    if reply.status in _UNAVAILABLE:
        advice = "check whether the server's pods are ready: trackpush status"
        return fail("probe", url, f"{what} is answered {reply.status} by {_who(reply)}", advice)
    advice = "check what is in front of the server: log-in pages, bot protection, methods that are not allowed"
    return fail("probe", url, f"{what} is answered {reply.status} by {_who(reply)}", advice)


def _headers(url: str, way: Way, path: str, names: Sequence[str]) -> CheckResult:
    sent = dict.fromkeys(names, "doctor")
    reply = _send(way, "GET", path, headers={DOCTOR: "1", **sent})
    arrived = _json(reply).get("arrived")
    if not isinstance(arrived, list):
        advice = "check that no cache answers in its place, and that the server has this version"
        return warn("headers", url, "the server doesn't report which headers arrived", advice)
    lost = [name for name in names if name not in arrived]
    if not lost:
        return ok("headers", url, f"{', '.join(names)} arrive")
    advice = (
        'let headers with an underscore pass: in ingress-nginx enable-underscores-in-headers: "true" in its ConfigMap'
        if "webhook_key" in lost
        else "let the proxy pass it, or have the aggregator put the key into the URL"
    )
    return fail("headers", url, f"{', '.join(lost)} don't reach the server: keys in them are unknown", advice)


def _wrong_key(url: str, way: Way, path: str, aggregator: AggregatorName) -> CheckResult:
    reply = _send(way, "POST", path, _refused_body(aggregator), {"x-api-key": f"doctor-{secrets.token_hex(16)}"})
    if reply.status == HTTPStatus.UNAUTHORIZED and "error" in _json(reply):
        return ok("wrong-key", url, "a post with an unknown key is answered 401 and not stored")
    if reply.status in _UNAVAILABLE:
        return fail("wrong-key", url, f"the server answers {reply.status}", "trackpush status shows why")
    advice = "something other than Trackpush answers posts here: check where the ingress sends this host and path"
    return fail("wrong-key", url, f"a post with an unknown key is answered {reply.status} by {_who(reply)}", advice)


def _refused_body(aggregator: AggregatorName) -> bytes:
    """A body that is not stored without a key: one that names a shipment, or one that is too large to be a probe."""
    if aggregator not in PROFILES:
        return b'{"doctor": "' + b"x" * strangers.MOST_BYTES + b'"}'
    return compose(
        Aggregator(aggregator), "IN_TRANSIT", awb="TRACKPUSHDOCTOR", order_id="TRACKPUSHDOCTOR", occurred_at=0
    )


def _large(url: str, way: Way, path: str, most: int) -> CheckResult:
    padding = max(0, most - _SPARE)
    try:
        reply = _send(way, "POST", path, b'{"doctor": "' + b"x" * padding + b'"}')
    except _Broken as error:
        reply = _Reply(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, {}, str(error).encode())
    # Without a key Trackpush doesn't parse a large body; its 401 shows that the body reached it.
    reached = reply.status == HTTPStatus.UNAUTHORIZED and _json(reply).get("error") == "unauthorized"
    if reply.status == HTTPStatus.OK or reached:
        return ok("body-size", url, f"a body of {padding // 1024} KiB passes")
    advice = "raise the proxy's limit of bodies (nginx: client_max_body_size, its annotation proxy-body-size)"
    message = f"a body of {padding // 1024} KiB is answered {reply.status} by {_who(reply)}"
    return fail("body-size", url, f"{message}, though spec.limits allow it", advice)


def _json(reply: _Reply) -> dict[str, object]:
    try:
        found = json.loads(reply.body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _who(reply: _Reply) -> str:
    """Who sent an answer: Trackpush's answers are JSON with ``error``; others come from a proxy."""
    if "error" in _json(reply):
        return "Trackpush"
    server = reply.headers.get("server", "")
    return f"a proxy in front of Trackpush{f' ({server})' if server else ''}"


def _route(reply: _Reply) -> str:
    if "error" in _json(reply):
        return "add the host to spec.hosts of the WebhookServer, with this aggregator, and check spec.basePath"
    return "check that the Ingress or HTTPRoute has this host and path, and that its class is the controller's"
