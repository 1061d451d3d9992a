"""The request. Its head is built once per destination, so a push takes one join and one write."""

from importlib.metadata import PackageNotFoundError, version

from trackpush_api.headers import objection_to_name, objection_to_size, objection_to_value
from trackpush_api.routing import Destination
from trackpush_server.outbound.target import Target


def _user_agent() -> str:
    try:
        return f"Trackpush/{version('trackpush')}"
    except PackageNotFoundError:
        return "Trackpush"


USER_AGENT = _user_agent()
_CLOUD_EVENT = "application/cloudevents+json"
"""CloudEvents HTTP binding 1.0, structured mode."""


def content_type(destination: Destination) -> str:
    """The Content-Type of a destination's bodies, unless its own headers contain another."""
    return _CLOUD_EVENT if destination.payload_format == "CloudEvents" else "application/json"


def build_head(destination: Destination, target: Target) -> bytes:
    """All bytes before a push's own headers. A client's header replaces the default of the same name.

    Raises:
        ValueError: a header's name or value can't be sent; the message has the destination and the name, never the
            value.
    """
    excess = objection_to_size(destination.headers)
    if excess is not None:
        raise ValueError(f"PushConfig {destination.name}: its headers {excess}")
    given = {name.lower() for name, _ in destination.headers}
    defaults = (("User-Agent", USER_AGENT), ("Accept", "*/*"), ("Content-Type", content_type(destination)))
    lines = [f"POST {target.request_target} HTTP/1.1", f"Host: {target.authority}"]
    lines += [f"{name}: {value}" for name, value in defaults if name.lower() not in given]
    lines += [_line(destination.name, name, value) for name, value in destination.headers]
    return "".join(f"{line}\r\n" for line in lines).encode()


def _line(destination: str, name: str, value: str) -> str:
    wrong = objection_to_name(name)
    if wrong is not None:
        raise ValueError(f"PushConfig {destination}: {wrong}")
    wrong = objection_to_value(value)
    if wrong is not None:
        raise ValueError(f"PushConfig {destination}: the value of header {name!r}: {wrong}")
    return f"{name}: {value}"


def build_request(head: bytes, headers: bytes, body: bytes) -> bytes:
    """A complete request. ``headers`` are complete lines, each ended by CRLF."""
    return b"%bContent-Length: %d\r\n\r\n%b" % (head + headers, len(body), body)
