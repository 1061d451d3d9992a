"""Explains the failure of a request, and what to do, in one line."""

import contextlib
import http.client
import json
import socket
import ssl
from collections.abc import Callable, Mapping

from trackpush_cli.senders import AggregatorSender
from trackpush_cli.target import KeyPlace, WebhookTarget

_NO_ANSWER: tuple[tuple[type[Exception], str], ...] = (
    (
        ConnectionRefusedError,
        "{origin} refused the connection: nothing listens there; start `trackpush serve DIR` or correct --url",
    ),
    (TimeoutError, "{origin} did not answer within {timeout:g} s; is it the right address, and is the server busy?"),
    (socket.gaierror, "host {host!r} was not found ({error}); correct --url"),
    (
        ssl.SSLCertVerificationError,
        "{origin}: its certificate is not trusted ({error}); set SSL_CERT_FILE to a file with its CA",
    ),
    (ssl.SSLError, "{origin} does not speak TLS there ({error}); http:// instead of https://?"),
    (ConnectionError, "{origin} closed the connection without an answer; is it the receiver's port (--listen)?"),
    (http.client.HTTPException, "{origin} answered something that is not HTTP ({error}); is the port right?"),
    (
        ValueError,
        "the request to {origin} can't be written: does the key contain characters that a header can't contain?",
    ),
)


def no_answer(error: Exception, where: WebhookTarget, timeout: float) -> str:
    template = next(
        (text for kind, text in _NO_ANSWER if isinstance(error, kind)), "{origin} can't be reached: {error}"
    )
    # A ValueError's own text may hold the key, so that template leaves it out.
    return template.format(
        origin=where.origin, host=where.host, timeout=timeout, error=str(error) or type(error).__name__
    )


def explain(
    status: int, headers: Mapping[str, str], where: WebhookTarget, sender: AggregatorSender, place: KeyPlace | None
) -> str:
    """The meaning of an answer other than 200.

    ``headers`` have lower-case names; ``place`` is where the key was sent, None if none was sent.
    """
    if 300 <= status < 400:  # noqa: PLR2004  HTTP's own class
        return f"{status}: redirects to {headers.get('location', 'nowhere')}; give that address as --url"
    said = _ANSWERS.get(status, _other)
    path = where.path.split("?", 1)[0]
    if place is KeyPlace.PATH:
        path = path.rsplit("/", 1)[0]
    return f"{status}: {said(headers, where.host, path, sender, place)}"


_Said = Callable[[Mapping[str, str], str, str, AggregatorSender, KeyPlace | None], str]


def _unauthorized(
    _: Mapping[str, str], _host: str, _path: str, sender: AggregatorSender, place: KeyPlace | None
) -> str:
    if place is None:
        return f"no key was sent; give the client's key for {sender.name} with --key, --key-file or TRACKPUSH_KEY"
    header = f" {sender.profile.key_headers[0]}" if place is KeyPlace.HEADER else ""
    return (
        f"no AggregatorWebhook with aggregator: {sender.name} has this key (sent in: {place}{header}); compare it "
        "with the Secret that spec.keys names, and check that `trackpush check DIR` accepts that resource"
    )


def _not_found(_: Mapping[str, str], host: str, path: str, sender: AggregatorSender, _place: KeyPlace | None) -> str:
    defined = "" if sender.spec is None else f", and the server must have accepted the definition of {sender.name}"
    return (
        f"nothing is served at {path} for host {host!r}; spec.hosts of a WebhookServer must name the host "
        f"(loopback names and IP addresses always work) and the path must start with its spec.basePath{defined}"
    )


def _bad_method(_: Mapping[str, str], _host: str, path: str, *_rest: object) -> str:
    return f"{path} accepts no POST; give only scheme and host as --url, or a path that ends in /notify"


def _bad_body(*_: object) -> str:
    return "the server cannot read the body as JSON; check --file"


def _too_large(*_: object) -> str:
    return "the body is larger than spec.limits of the WebhookServer allows"


def _unavailable(headers: Mapping[str, str], *_: object) -> str:
    after = f" (it asks to retry after {headers['retry-after']} s)" if "retry-after" in headers else ""
    return f"the server can store nothing now{after}; its log and /readyz of its admin port say why"


def _other(*_: object) -> str:
    return "only 200 is success; is a proxy in front of the server? The server's log says more"


_ANSWERS: dict[int, _Said] = {
    400: _bad_body,
    401: _unauthorized,
    404: _not_found,
    405: _bad_method,
    413: _too_large,
    503: _unavailable,
}


def readable(body: bytes) -> str:
    """An answer's body for the terminal: JSON on one line, anything else cut."""
    with contextlib.suppress(ValueError):
        return json.dumps(json.loads(body), ensure_ascii=False)
    return body[:500].decode("utf-8", "backslashreplace").strip() or "(empty)"
