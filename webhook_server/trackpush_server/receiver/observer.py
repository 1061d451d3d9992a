"""The receiver's observer: one Protocol, so that the receiver knows no metrics and no logs."""

from collections.abc import Sequence
from typing import Protocol

from trackpush_aggregators import Leftover
from trackpush_api.routing import Account
from trackpush_api.vocabulary import AggregatorName
from trackpush_server.receiver.answers import Response
from trackpush_server.receiver.intake import Intake


class ReceiverObserver(Protocol):
    """Called on the event loop, on the hot path; must be cheap and never raise."""

    def answered(
        self, aggregator: AggregatorName | None, answer: Response, seconds: float, trace: str | None = None
    ) -> None:
        """A request was answered; None if no aggregator is known (404 and broken requests).

        ``trace`` as in `NewUpdate.trace`.
        """
        ...

    def stored(self, aggregator: AggregatorName, intake: Intake, accepted: int) -> None:
        """A request's updates are on disk; ``accepted`` of them were new."""
        ...

    def unrecognised(self, account: Account, leftovers: Sequence[Leftover]) -> None:
        """Bodies of an account that name no shipment are on disk."""
        ...

    def malformed(self, account: Account, reason: str) -> None:
        """A body with a known key was answered with 400; the reason quotes nothing of it."""
        ...

    def unauthorized(self, aggregator: AggregatorName) -> None:
        """A body with updates had no known key."""
        ...

    def postponed(self, aggregator: AggregatorName) -> None:
        """A body with updates had no known key, but the routing table is incomplete."""
        ...

    def postponed_for_key(self, aggregator: AggregatorName) -> None:
        """A body with updates had a key whose Secret was deleted less than a minute ago."""
        ...

    def failed(self, reference: str, error: BaseException) -> None:
        """An internal error; the reference was sent to the aggregator."""
        ...

    def connection_refused(self) -> None:
        """A connection was closed at once: the limit of connections is reached."""
        ...

    def bad_request(self) -> None:
        """A connection sent something that is not HTTP."""
        ...
