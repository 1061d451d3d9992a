"""Posts bodies to one webhook URL as an aggregator would.

It uses http.client and not aiohttp, because `trackpush send` sends one request at a time, and starts ten times as fast
without aiohttp.
"""

import http.client
import time
from typing import NamedTuple, Self

from trackpush_cli.errors import CommandError
from trackpush_cli.explain import no_answer
from trackpush_cli.target import WebhookTarget

_MAX_ANSWER = 64 * 1024


class Reply(NamedTuple):
    """An answer. ``milliseconds`` is the time from the first byte sent to the last byte read."""

    status: int
    body: bytes
    headers: dict[str, str]
    """Headers by lower-case name."""
    milliseconds: float


class Poster:
    """Posts bodies to one target over one kept-alive connection. Use as a context manager."""

    def __init__(self, where: WebhookTarget, *, timeout: float) -> None:
        self._target = where
        kind = http.client.HTTPSConnection if where.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(where.host, where.port, timeout=timeout)
        self._timeout = timeout

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def post(self, body: bytes) -> Reply:
        """Post one body.

        Raises:
            CommandError: there was no answer; the message says why and what to do.
        """
        started = time.perf_counter()
        try:
            headers = self._target.headers | self._target.sign(body)
            self._connection.request("POST", self._target.path, body, headers)
            response = self._connection.getresponse()
            content = response.read(_MAX_ANSWER)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise CommandError(no_answer(error, self._target, self._timeout)) from None
        elapsed = (time.perf_counter() - started) * 1000
        if response.will_close or not response.isclosed():
            self._connection.close()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Reply(response.status, content, headers, elapsed)
