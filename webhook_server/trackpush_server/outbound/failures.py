"""How an attempt fails inside the transport: one exception, which becomes the `Answer` at the port's edge."""

from trackpush_server.outbound.port import Failure


class AttemptError(Exception):
    """An attempt has failed. ``detail`` is one short line for people, without any value of the client's headers.

    ``is_permanent``: the configuration is at fault, so that no retry can help.
    """

    def __init__(self, failure: Failure, detail: str, *, is_permanent: bool = False) -> None:
        super().__init__(detail)
        self.failure = failure
        self.detail = detail
        self.is_permanent = is_permanent or failure is Failure.DENIED


def denied(detail: str) -> AttemptError:
    """The egress guard refuses."""
    return AttemptError(Failure.DENIED, detail)
