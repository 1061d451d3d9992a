"""The admin port's token. Health and metrics need none, because kubelet and Prometheus read them."""

import hashlib
import hmac
from pathlib import Path

import structlog

from trackpush_runtime.errors import CannotStartError

LEAST_LENGTH = 16
"""Minimum length of a token. `openssl rand -hex 24` creates a suitable one."""
_SCHEME = "bearer"

_log = structlog.get_logger("trackpush.admin")


class AdminToken:
    """A token in a file, which is read again when it changes. Blocking: call it in a thread."""

    def __init__(self, path: Path, option: str = "--admin-token-file") -> None:
        """Read the file for the first time; ``option`` is the option that names it.

        Raises:
            CannotStartError: the file can't be read, is empty, or contains too short a token.
        """
        self._path = path
        self._stamp: tuple[int, ...] | None = None
        self._wrong = ""
        self._token = b""
        self.refresh()
        if not self._token:
            advice = f"write a token of {LEAST_LENGTH} or more characters into it"
            raise CannotStartError(f"{option} {path}: {self._wrong}; {advice}")

    def allows(self, authorization: str) -> bool:
        """Whether the value of an Authorization header is ``Bearer`` and the token, compared in constant time."""
        self.refresh()
        scheme, _, presented = authorization.partition(" ")
        right = hmac.compare_digest(presented.strip().encode("utf-8", "surrogateescape"), self._token)
        return scheme.lower() == _SCHEME and right

    @property
    def fingerprint(self) -> bytes:
        """A value that changes with the token."""
        return hashlib.sha256(self._token).digest()

    def refresh(self) -> None:
        """Read the file if it changed. While it is missing, unreadable or invalid, the last valid token applies."""
        try:
            found = self._path.stat()
            stamp = (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
            if stamp == self._stamp:
                return
            token = self._path.read_bytes().strip()
        except OSError as error:
            self._refuse(error.strerror or str(error))
            return
        self._stamp = stamp
        if len(token) >= LEAST_LENGTH:
            self._token, self._wrong = token, ""
        elif token:
            self._refuse(f"the token has {len(token)} characters; it needs {LEAST_LENGTH} or more")
        else:
            self._refuse("the file is empty")

    def _refuse(self, wrong: str) -> None:
        if self._token and wrong != self._wrong:  # at the start, the caller reports the error
            _log.error("admin_token_refused", reason=wrong, file=str(self._path))
        self._wrong = wrong
