"""How an attempt fails inside the transport: one exception, which becomes the `Answer` at the port's edge."""

from trackpush_server.outbound.port import Failure


class AttemptError(Exception):
    """An attempt can't go on. ``detail`` is one short line for people, without any value of the client's headers."""

    def __init__(self, failure: Failure, detail: str) -> None:
        super().__init__(detail)
        self.failure = failure
        self.detail = detail


def denied(detail: str) -> AttemptError:
    """The egress guard refuses."""
    return AttemptError(Failure.DENIED, detail)
