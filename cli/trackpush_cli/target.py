"""The URL of an aggregator's request, and the place of the key in it."""

from collections.abc import Callable
from enum import StrEnum
from functools import partial
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from trackpush_cli.errors import CommandError
from trackpush_cli.senders import AggregatorSender, signed

DEFAULT_BASE_PATH = "/rms/in/api"


class KeyPlace(StrEnum):
    """Where a request carries the key."""

    HEADER = "header"
    """The header in which the aggregator itself sends the key."""
    AUTHORIZATION = "authorization"
    QUERY = "query"
    PATH = "path"
    BODY = "body"
    """A member of the body, for aggregators that have one, such as Shipway's ``hash``."""
    SIGNATURE = "signature"
    """The body is signed with the key, for aggregators whose definition has a signature."""


def usual_place(sender: AggregatorSender) -> KeyPlace:
    """Where the aggregator itself puts the key."""
    if sender.signature is not None:
        return KeyPlace.SIGNATURE
    if sender.needs_several_keys:  # one key is enough in the path only
        return KeyPlace.PATH
    return KeyPlace.QUERY if sender.profile.key_in_url else KeyPlace.HEADER


def unsigned(_: bytes) -> dict[str, str]:
    """Bodies are not signed."""
    return {}


class WebhookTarget(NamedTuple):
    """The address of a request."""

    scheme: str
    host: str
    port: int | None
    path: str
    """Path and query as in the request line."""
    headers: dict[str, str]
    sign: Callable[[bytes], dict[str, str]] = unsigned
    """The headers that depend on the body."""

    @property
    def origin(self) -> str:
        """Scheme, host and port, for messages."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + (f":{self.port}" if self.port else "")


def target(url: str, sender: AggregatorSender, key: str | None, place: KeyPlace) -> WebhookTarget:
    """The request's address and headers, including the key.

    A URL without a path gets the aggregator's path below the default base path.

    Raises:
        CommandError: the URL can't be used.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise CommandError(f"--url {url!r}: {error}; expected something like http://127.0.0.1:8080") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise CommandError(
            f"--url {url!r} is not an http:// or https:// URL; expected something like http://127.0.0.1:8080"
        )
    path = parts.path if parts.path.strip("/") else f"{DEFAULT_BASE_PATH}/{sender.profile.path_segment}/notify"
    query = parse_qsl(parts.query, keep_blank_values=True)
    headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "trackpush-send"}
    if key is not None:
        if place is KeyPlace.HEADER:
            headers[sender.profile.key_headers[0]] = key
        elif place is KeyPlace.AUTHORIZATION:
            headers["Authorization"] = key
        elif place is KeyPlace.QUERY:
            query.append(("key", key))
        elif place is KeyPlace.PATH:
            path = f"{path.rstrip('/')}/{quote(key, safe='')}"
    signature = sender.signature if key is not None and place is KeyPlace.SIGNATURE else None
    sign = unsigned if signature is None or key is None else partial(signed, signature, key)
    whole = path + (f"?{urlencode(query)}" if query else "")
    return WebhookTarget(parts.scheme, parts.hostname, port, whole, headers, sign)
