"""Asks a server's admin port. http.client, as in `posting`: one request at a time, and a fast start."""

import http.client
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from trackpush_cli.errors import CannotStartError, ProblemsFoundError

_MAX_ANSWER = 16 * 1024 * 1024
_TIMEOUT = 30.0
_REFUSED = 400
_UNAUTHORIZED = 401
_NOT_FOUND = 404


def admin_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--admin`` and ``--token-file``: where the admin port is, and what it wants."""
    command = click.option(
        "--token-file",
        type=click.Path(path_type=Path),
        envvar="TRACKPUSH_ADMIN_TOKEN_FILE",
        help="File with the admin token, as given to `serve --admin-token-file`. [env: TRACKPUSH_ADMIN_TOKEN_FILE]",
    )(command)
    return click.option(
        "--admin",
        default="http://127.0.0.1:8081",
        show_default=True,
        envvar="TRACKPUSH_ADMIN",
        help="The server's admin port. [env: TRACKPUSH_ADMIN]",
    )(command)


class AdminPort:
    """One server's admin port."""

    def __init__(self, url: str, token_file: Path | None) -> None:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise CannotStartError(f"--admin {url}: give http://HOST:PORT")
        self._url = f"{parts.scheme}://{parts.netloc}"
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(parts.hostname, parts.port, timeout=_TIMEOUT)
        self._headers = {} if token_file is None else {"Authorization": f"Bearer {_token(token_file)}"}

    def ask(self, method: str, path: str, request: object = None) -> Any:
        """The answer's JSON.

        Raises:
            CannotStartError: nothing answered, or not a server's admin port; the message says what to do.
            ProblemsFoundError: the server refused; the message is the server's.
        """
        body = None if request is None else json.dumps(request)
        try:
            self._connection.request(method, path, body, self._headers)
            answer = self._connection.getresponse()
            content = answer.read(_MAX_ANSWER)
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise CannotStartError(
                f"{self._url}: no answer ({type(error).__name__}: {error}); is the server up, and this its admin port?"
                " On Kubernetes: kubectl -n NAMESPACE port-forward pod/NAME-0 8081"
            ) from None
        return self._read(answer.status, content, path)

    def _read(self, status: int, content: bytes, path: str) -> Any:
        try:
            found = json.loads(content)
        except ValueError:
            found = None
        if status == _UNAUTHORIZED:
            raise CannotStartError(f"{self._url}: it wants its admin token; give --token-file")
        if found is None or status == _NOT_FOUND:
            raise CannotStartError(f"{self._url}{path}: {status}; this is no admin port of a Trackpush server")
        if status >= _REFUSED:
            raise ProblemsFoundError(f"{self._url}: {found.get('error', status)}")
        return found


def _token(file: Path) -> str:
    try:
        return file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CannotStartError(f"--token-file {file}: {error}") from None
