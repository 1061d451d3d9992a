"""The receiver's observer, a Protocol. With it, the receiver imports neither metrics nor logging."""

from collections.abc import Callable, Sequence
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
        """Called after each answer. ``aggregator`` is None if it is unknown (404 and invalid requests).

        ``trace`` as in `NewUpdate.trace`.
        """
        ...

    def answered_account(self, account: str, answer: Response) -> None:
        """A request of this account was answered."""
        ...

    def refused_unknown(self, aggregator: AggregatorName, sender: str) -> None:
        """A request without a known key was refused. ``sender`` tells senders apart and reveals no key."""
        ...

    def unknown_key(self, aggregator: AggregatorName, host: str) -> None:
        """A request with updates was answered with 401. ``host`` is what the request named."""
        ...

    def stored(self, aggregator: AggregatorName, intake: Intake, accepted: int) -> None:
        """Called when a request's updates are on disk; ``accepted`` of them are new."""
        ...

    def unrecognised(self, account: Account, leftovers: Sequence[Leftover]) -> None:
        """Called when bodies of an account that name no shipment are on disk."""
        ...

    def refused(self, aggregator: AggregatorName, account: str | None, answer: Response) -> None:
        """Called when a body was answered with 4xx because of its content. The account is None if it is unknown."""
        ...

    def unauthorized(self, aggregator: AggregatorName, why: Callable[[], str]) -> None:
        """Called when a body with updates had no known key. ``why`` explains it, without any key."""
        ...

    def postponed(self, aggregator: AggregatorName) -> None:
        """Called when a body with updates had no known key while the routing table is incomplete."""
        ...

    def postponed_for_path(self) -> None:
        """Called when a POST to an unknown URL came while the routing table is incomplete."""
        ...

    def postponed_for_key(self, aggregator: AggregatorName) -> None:
        """Called when a body with updates had a key whose Secret was deleted less than a minute ago."""
        ...

    def failed(self, reference: str, error: BaseException) -> None:
        """Called after an internal error; the aggregator got the reference in its answer."""
        ...

    def connection_refused(self) -> None:
        """Called when a connection was closed because the maximum number is reached."""
        ...

    def bad_request(self) -> None:
        """Called when a client sent bytes that are not valid HTTP."""
        ...
