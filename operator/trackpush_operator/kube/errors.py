"""Errors of the API server. No message quotes a body, which may contain a Secret's values."""


class ClusterError(Exception):
    """A request failed.

    ``status`` is the HTTP status; 0 if there was no response. The message contains the request and the server's
    message.
    """

    def __init__(self, message: str, *, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class NotFoundError(ClusterError):
    """The object or the kind does not exist (404)."""


class ConflictError(ClusterError):
    """The object already exists, or was changed since it was read (409)."""


class GoneError(ClusterError):
    """The resource version or the continue token is too old (410): list again."""


class ForbiddenError(ClusterError):
    """The operator's role doesn't allow it (401, 403)."""


class InvalidError(ClusterError):
    """The API server refuses the object (400, 422); a retry is useless until something changes."""


class UnavailableError(ClusterError):
    """No response, a 5xx, or too many requests (429) for too long: retry later."""


_BY_STATUS: dict[int, type[ClusterError]] = {
    400: InvalidError,
    401: ForbiddenError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    410: GoneError,
    422: InvalidError,
}


def error_of(status: int, message: str) -> ClusterError:
    """The error for an HTTP status of 400 or more."""
    return _BY_STATUS.get(status, UnavailableError)(message, status=status)
