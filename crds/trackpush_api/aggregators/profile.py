"""The facts about an aggregator that operator, receiver and command line share."""

from collections.abc import Mapping

import msgspec

from trackpush_api.vocabulary import AggregatorName, Status


class AggregatorProfile(msgspec.Struct, frozen=True, kw_only=True):
    """One aggregator: a module of this package holds that of a built-in one, `profile_of` makes a definition's."""

    aggregator: AggregatorName
    path_segment: str
    """Segment of its URL: ``/rms/in/api/SEGMENT/notify``."""
    key_headers: tuple[str, ...]
    """Headers in which the client's key may arrive, the usual one first."""
    key_in_url: bool = False
    """Whether the URL contains the key, because the aggregator can't send a header."""
    key_member: str | None = None
    """Member of its bodies that may contain the key."""
    signed: bool = False
    """Whether the aggregator signs its bodies with the key."""
    setup: str
    """Where to enter URL and key, for ``status.setup`` of an AggregatorWebhook."""
    refused_in_urls: tuple[str, ...] = ()
    """Substrings that its panel refuses anywhere in a URL, in lower case."""
    codes: Mapping[Status, tuple[str, ...]]
    """Codes that it is known to send, by their usual meaning, the most common one first.

    For suggestions only. The server parses bodies by its own tables; a test compares both. A ``*`` at the end of a
    part of a definition's code matches any rest.
    """

    ignores_case: bool = False
    """Its codes are compared without case and spaces."""

    @property
    def notify_path(self) -> str:
        """Path of its URL below a server's ``basePath``; ``<key>`` is the place of a key that the URL contains."""
        return f"/{self.path_segment}/notify" + ("/<key>" if self.key_in_url else "")

    def refused_word(self, text: str) -> str | None:
        """The first substring of ``text`` that its panel refuses in a URL."""
        return next((word for word in self.refused_in_urls if word in text.lower()), None)

    def meanings(self, code: str) -> tuple[Status, ...]:
        """The meanings of a code: none if it is unknown, several if an aggregator has two sets of numbers."""
        return tuple(status for status, known in self.codes.items() if self._is_among(code, known))

    def _is_among(self, code: str, known: tuple[str, ...]) -> bool:
        if not self.ignores_case:
            return code in known
        return any(_matches(folded_code(code), folded_code(each)) for each in known)


def codes(**by_status: str) -> Mapping[Status, tuple[str, ...]]:
    """Codes by status, from texts with codes separated by spaces."""
    return {Status(status): tuple(separated.split()) for status, separated in by_status.items()}


def folded_code(code: str) -> str:
    """A code without case and spaces, as definitions compare it."""
    return "".join(code.split()).casefold()


def _matches(code: str, known: str) -> bool:
    patterns = known.split("/")
    parts = code.split("/") if len(patterns) > 1 else [code]
    return len(parts) == len(patterns) and all(map(_part_matches, parts, patterns))


def _part_matches(part: str, pattern: str) -> bool:
    return part.startswith(pattern[:-1]) if pattern.endswith("*") else part == pattern
