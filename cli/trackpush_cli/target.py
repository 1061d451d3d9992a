"""Where an aggregator's request goes, and where in it the key stands."""

from enum import StrEnum
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from trackpush_api.vocabulary import Aggregator
from trackpush_cli.errors import CannotStartError

DEFAULT_BASE_PATH = "/rms/in/api"


class KeyPlace(StrEnum):
    """Where a request carries the key."""

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
        raise CannotStartError(
            f"--url {url!r} is no http:// or https:// URL; expected something like http://127.0.0.1:8080"
        )
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
