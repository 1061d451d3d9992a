"""The request of a push as a person may see it: the exact body, and the headers without secret values. Pure.

The body and the headers are made by the functions that make the request itself.
"""

import json
import re
import shlex
from typing import Final
from urllib.parse import urlsplit

import msgspec

from trackpush_api.routing import Destination
from trackpush_api.target import InvalidUrlError, read_url
from trackpush_server.outbound.request import build_head
from trackpush_server.pusher import render

HIDDEN: Final = "•••"
_SHOWN: Final = frozenset({"accept", "content-type", "user-agent"})
"""Headers whose values are shown although the PushConfig sets them: they hold no secret."""
_BY_CURL: Final = frozenset({"host", "content-length"})
"""Headers that curl sets by itself."""
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9]+")


class PreviewHeader(msgspec.Struct, frozen=True):
    """One header; the value of a secret one is hidden."""

    name: str
    value: str
    is_secret: bool = False


class RequestPreview(msgspec.Struct, frozen=True, kw_only=True):
    """One request."""

    url: str
    """Without the values of its query, which may be secrets."""
    headers: tuple[PreviewHeader, ...]
    body: bytes


class PushContent(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of a push from which its request is made."""

    push_id: str
    account: str
    notification: bytes
    raw: bytes
    late: bool
    replays: int


def preview(destination: Destination, content: PushContent, *, timestamp: int) -> RequestPreview | None:
    """The request that an attempt at ``timestamp`` (seconds since the epoch) makes; None if it can make none."""
    try:
        head = build_head(destination, read_url(destination.url)).decode()
    except (InvalidUrlError, ValueError):
        return None
    body = render.push_body(
        destination.payload_format,
        content.push_id,
        content.account,
        content.notification,
        content.raw,
        late=content.late,
    )
    own = render.headers(content.push_id, timestamp, body, ()).decode()
    if content.replays:
        own += render.replay_header(content.replays).decode()
    secret = {name.lower() for name, _ in destination.headers} - _SHOWN
    lines = (head + own).removesuffix("\r\n").split("\r\n")[1:]
    headers = [_header(line, secret) for line in lines]
    if destination.oauth2 is not None:
        headers.append(PreviewHeader("Authorization", f"Bearer {HIDDEN}", is_secret=True))
    if destination.signing:
        value = " ".join(f"v1,{HIDDEN}" for _ in destination.signing)
        headers.append(PreviewHeader("webhook-signature", value, is_secret=True))
    headers.append(PreviewHeader("Content-Length", str(len(body))))
    return RequestPreview(url=_without_secrets(destination.url), headers=tuple(headers), body=body)


def _header(line: str, secret: set[str]) -> PreviewHeader:
    name, _, value = line.partition(": ")
    is_secret = name.lower() in secret
    return PreviewHeader(name, HIDDEN if is_secret else value, is_secret=is_secret)


def _without_secrets(url: str) -> str:
    parts = urlsplit(url)
    query = "&".join(f"{pair.partition('=')[0]}={HIDDEN}" if "=" in pair else HIDDEN for pair in parts.query.split("&"))
    return parts._replace(query=query if parts.query else "", fragment="").geturl()


def curl(request: RequestPreview) -> str:
    """A shell command that sends this request; each hidden value is an environment variable."""
    lines = [f"curl -X POST {_url(request.url)}"]
    lines += [f"  -H {_quoted(header)}" for header in request.headers if header.name.lower() not in _BY_CURL]
    lines.append(f"  --data-raw {shlex.quote(request.body.decode('utf-8', 'replace'))}")
    return " \\\n".join(lines)


def _quoted(header: PreviewHeader) -> str:
    if not header.is_secret:
        return shlex.quote(f"{header.name}: {header.value}")
    return f'"{header.name}: ${{{_variable(header.name)}}}"'


def _url(url: str) -> str:
    if HIDDEN not in url:
        return shlex.quote(url)
    path, _, query = url.partition("?")
    pairs = (pair.partition("=") for pair in query.split("&"))
    shown = "&".join(f"{_escaped(name)}=${{{_variable(name)}}}" if sign else "${QUERY}" for name, sign, _ in pairs)
    return f'"{_escaped(path)}?{shown}"'


def _escaped(text: str) -> str:
    """Text within double quotes of a shell."""
    return json.dumps(text, ensure_ascii=False)[1:-1].replace("$", r"\$").replace("`", r"\`")


def _variable(name: str) -> str:
    return _NOT_IN_NAMES.sub("_", name).strip("_").upper() or "VALUE"
