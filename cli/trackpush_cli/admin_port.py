"""The client of a server's admin port. Uses http.client, as `posting` does: one request at a time, and a fast start."""

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from trackpush_cli.errors import CommandError, ProblemsFoundError

TIMEOUT: Final = 30.0
_MAX_ANSWER = 16 * 1024 * 1024
_MAX_LINE = 1024 * 1024
_REFUSED = 400
_UNKNOWN = "it needs the admin token; give --token-file"
_MISTAKEN = "it refuses this token; compare it with the server's --admin-token-file"
_UNAUTHORIZED = 401
_NOT_FOUND = 404
_UNAVAILABLE = 503
_NO_ANSWER = (OSError, http.client.HTTPException)


class _Fields(dict[str, Any]):
    """A JSON object of an answer; reading a missing field raises an error that names the field."""

    def __init__(self, found: dict[str, Any], place: str) -> None:
        super().__init__(found)
        self._place = place

    def __missing__(self, name: str) -> Any:
        raise other_form(self._place, f"it has no {name}")


def other_form(place: str, found: str) -> CommandError:
    """The error for an answer that is not what the admin API describes."""
    return CommandError(
        f"{place}: the answer can't be read ({found}); is this the admin port of a Trackpush server, of this version?"
    )


class NoAnswerError(CommandError):
    """Nothing answered at the admin port."""


class AdminClient:
    """One server's admin port, over one connection that is opened at the first request."""

    def __init__(
        self,
        connection: http.client.HTTPConnection,
        *,
        name: str,
        token: str | None,
        advice: str,
        refused: str = _MISTAKEN,
    ) -> None:
        """``name`` appears in messages; ``advice`` is for no answer, ``refused`` for a token that is refused."""
        self._refused = refused
        self.name = name
        self._connection = connection
        self._advice = advice
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}

    def ask(self, method: str, path: str, request: object = None) -> Any:
        """The answer's JSON.

        Raises:
            CommandError: nothing answered, or not a server's admin port; the message says what to do.
            ProblemsFoundError: the server refused; the message is the server's.
        """
        status, content = self._send(method, path, request)
        found = self._read(status, content, path)
        if found is None:
            raise CommandError(_missing(self.name, path, content))
        return found

    def find(self, method: str, path: str, request: object = None) -> Any | None:
        """The answer's JSON, or None for 404. Raises what `ask` does."""
        status, content = self._send(method, path, request)
        return self._read(status, content, path)

    def events(self, path: str) -> Iterator[Any]:
        """The JSON of each server-sent event, until the server or the caller ends it. Raises what `ask` does."""
        try:
            self._connection.request("GET", path, None, self._headers | {"Accept": "text/event-stream"})
            answer = self._connection.getresponse()
            if answer.status != http.client.OK:
                self._read(answer.status, answer.read(_MAX_ANSWER), path)
                raise CommandError(f"{self.name}{path}: {answer.status}")
            if self._connection.sock is not None:
                self._connection.sock.settimeout(None)
            yield from _events(answer)
        except _NO_ANSWER as error:
            raise self._unreachable(error) from None
        finally:
            self.close()

    def close(self) -> None:
        """Close the connection; the next request opens a new one."""
        self._connection.close()

    def _send(self, method: str, path: str, request: object) -> tuple[int, bytes]:
        body = None if request is None else json.dumps(request)
        headers = self._headers | ({} if body is None else {"Content-Type": "application/json"})
        return self._exchange(method, path, body, headers)

    def _exchange(self, method: str, path: str, body: str | None, headers: dict[str, str]) -> tuple[int, bytes]:
        try:
            self._connection.request(method, path, body, headers)
            answer = self._connection.getresponse()
            return answer.status, answer.read(_MAX_ANSWER)
        except _NO_ANSWER as error:
            self._connection.close()
            raise self._unreachable(error) from None

    def _unreachable(self, error: Exception) -> NoAnswerError:
        return NoAnswerError(f"{self.name}: no answer ({type(error).__name__}: {error}); {self._advice}")

    def _read(self, status: int, content: bytes, path: str) -> Any | None:
        try:
            found = json.loads(content, object_hook=lambda members: _Fields(members, f"{self.name}{path}"))
        except ValueError:
            found = None
        if status == _UNAUTHORIZED:
            raise CommandError(f"{self.name}: {self._refused if self._headers else _UNKNOWN}")
        if status == _NOT_FOUND:
            return None
        if not isinstance(found, dict):
            raise CommandError(f"{self.name}{path}: {status}; this is not the admin port of a Trackpush server")
        if status >= _REFUSED and not (status == _UNAVAILABLE and "reasons" in found):
            raise ProblemsFoundError(f"{self.name}: {_told(found, status)}")
        return found


def direct(url: str, token_file: Path | None) -> AdminClient:
    """The admin port at a URL.

    Raises:
        CommandError: the URL is invalid, or the token can't be read.
    """
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise CommandError(f"--admin {url}: give http://HOST:PORT")
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    return AdminClient(
        kind(parts.hostname, parts.port, timeout=TIMEOUT),
        name=f"{parts.scheme}://{parts.netloc}",
        token=None if token_file is None else read_token(token_file),
        advice="is the server running, and is this its admin port? For a cluster, add --context or -n (docs/cli.md)",
    )


def read_token(file: Path) -> str:
    """The token in a file.

    Raises:
        CommandError: the file can't be read.
    """
    try:
        return file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"--token-file {file}: {getattr(error, 'strerror', None) or error}") from None


def _missing(server: str, path: str, content: bytes) -> str:
    """The message of a 404: the server's own, unless it does not know the path."""
    try:
        found = json.loads(content)
    except ValueError:
        found = None
    detail = found.get("detail") if isinstance(found, dict) else None
    if isinstance(detail, str) and not detail.startswith("no path "):
        return f"{server}: {detail}"
    return f"{server}{path}: 404; this is not the admin port of a Trackpush server, or the server is older"


def _told(found: dict[str, Any], status: int) -> str:
    """The message of an error: in Trackpush's own form, or a problem document (RFC 9457)."""
    return str(found.get("detail") or found.get("message") or found.get("error") or found.get("title") or status)


def _events(answer: http.client.HTTPResponse) -> Iterator[Any]:
    """The ``data`` of each event; comments, which only keep the connection alive, are skipped."""
    data: list[bytes] = []
    while line := answer.readline(_MAX_LINE):
        text = line.rstrip(b"\r\n")
        if text.startswith(b"data:"):
            data.append(text.removeprefix(b"data:").strip())
        elif not text and data:
            yield json.loads(b"\n".join(data))
            data.clear()
