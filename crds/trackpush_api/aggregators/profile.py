"""The facts about an aggregator that operator, receiver and command line share."""

from collections.abc import Mapping

import msgspec

from trackpush_api.vocabulary import AggregatorName, Status


class AggregatorProfile(msgspec.Struct, frozen=True, kw_only=True):
    """One aggregator. Its module in this package holds the only instance."""

    aggregator: AggregatorName
    path_segment: str
    """Segment of the URL that it posts to: ``/rms/in/api/SEGMENT/notify``."""
    key_headers: tuple[str, ...]
    """Headers in which the client's key may arrive, the usual one first."""
    key_in_url: bool = False
    """It sends no header: the client gives it a URL that contains the key."""
    key_member: str | None = None
    """Member of its bodies that may contain the key."""
    setup: str
    """Where to enter URL and key, for ``status.setup`` of an AggregatorWebhook."""
    refused_in_urls: tuple[str, ...] = ()
    """Substrings that its panel refuses anywhere in a URL, in lower case."""
    codes: Mapping[Status, tuple[str, ...]]
    """Codes that it is known to send, by their usual meaning, the most common one first.

    For suggestions only. The server parses bodies by its own tables; a test compares both.
    """

    def refused_word(self, text: str) -> str | None:
        """The first substring of ``text`` that its panel refuses in a URL."""
        return next((word for word in self.refused_in_urls if word in text.lower()), None)


def codes(**by_status: str) -> Mapping[Status, tuple[str, ...]]:
    """Codes by status, from texts separated by spaces."""
    return {Status(status): tuple(separated.split()) for status, separated in by_status.items()}
