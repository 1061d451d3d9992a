"""The exception for a failed attempt inside the transport; the transport's port returns it as an `Answer`."""

from trackpush_server.outbound.port import Failure


class AttemptError(Exception):
    """An attempt has failed. ``detail`` is one short line for people, without values of the client's headers.

    ``is_permanent``: the configuration is wrong, so no retry can succeed.
    """

    def __init__(self, failure: Failure, detail: str, *, is_permanent: bool = False) -> None:
        super().__init__(detail)
        self.failure = failure
        self.detail = detail
        self.is_permanent = is_permanent or failure is Failure.DENIED


def denied(detail: str) -> AttemptError:
    """The failure of an attempt that the egress guard refuses."""
    return AttemptError(Failure.DENIED, detail)
