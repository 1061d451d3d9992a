"""The sentences of a message to people: what happened, to whom, since when. Pure.

A sentence contains names of resources, numbers and times, and the event's own text: nothing that an endpoint answered.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

from trackpush_api.plurals import counted
from trackpush_api.vocabulary import ANNOUNCEMENT_KINDS, AnnouncementKind
from trackpush_runtime.reader_time import INDIA
from trackpush_server.announcing.events import AnnouncedEvent

MOST_CHARS: Final = 500
"""Maximum characters of a text of an event in a message."""


def headline(event: AnnouncedEvent) -> str:
    """What happened, in one sentence."""
    since = moment(event.since)
    match event.kind:
        case "EndpointFailing":
            return f"The endpoint of {event.name} has been failing since {since}."
        case "EndpointRecovered":
            return f"The endpoint of {event.name} accepts pushes again. It had been failing since {since}."
        case "EndpointGone":
            return f"The endpoint of {event.name} answered 410 (Gone) at {since}, and its pushes wait."
        case "PushesDead":
            return f"{pushes(event.number)} to {event.name} died, the latest at {since}."
        case "AccountSilent":
            return f"The account {event.name} has been silent since {since}."
        case "AccountUnrecognised":
            bodies = "1 body" if event.number == 1 else f"{event.number} bodies"
            return f"{bodies} of the account {event.name} named no shipment, the latest at {since}."


def overview(events: Iterable[AnnouncedEvent]) -> str:
    """The numbers of a message with several events: ``37 endpoints are failing, 2 accounts are silent``."""
    numbers = count_kinds(events)
    return ", ".join(_many(kind, number) for kind, number in numbers.items())


def count_kinds(events: Iterable[AnnouncedEvent]) -> dict[AnnouncementKind, int]:
    """The number of events of each kind, in a fixed order, the ones that need a person first."""
    numbers = Counter(event.kind for event in events)
    return {kind: numbers[kind] for kind in _BY_URGENCY if numbers[kind]}


def by_urgency(events: Iterable[AnnouncedEvent]) -> list[AnnouncedEvent]:
    """The events in the order in which a message lists them."""
    return sorted(events, key=lambda event: (_BY_URGENCY.index(event.kind), event.name))


def moment(milliseconds: int) -> str:
    """``2026-11-30 06:30 UTC (12:00 IST)``."""
    at = datetime.fromtimestamp(milliseconds / 1000, UTC)
    here = at.astimezone(INDIA)
    form = "%H:%M" if here.date() == at.date() else "%m-%d %H:%M"
    return f"{at:%Y-%m-%d %H:%M} UTC ({here.strftime(form)} IST)"


def pushes(number: int) -> str:
    return "1 push" if number == 1 else f"{number} pushes"


def shown(text: str, most: int = MOST_CHARS) -> str:
    """The text in one printable line of at most this many characters."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def _many(kind: AnnouncementKind, number: int) -> str:
    endpoints, accounts = counted(number, "endpoint"), counted(number, "account")
    is_one = number == 1
    return {
        "EndpointGone": f"{endpoints} answered 410 (Gone)",
        "EndpointFailing": f"{endpoints} {'is' if is_one else 'are'} failing",
        "PushesDead": f"pushes to {endpoints} died",
        "AccountSilent": f"{accounts} {'is' if is_one else 'are'} silent",
        "AccountUnrecognised": f"{accounts} sent bodies that name no shipment",
        "EndpointRecovered": f"{endpoints} {'accepts' if is_one else 'accept'} pushes again",
    }[kind]


_BY_URGENCY: Final[Sequence[AnnouncementKind]] = (
    "EndpointGone",
    "EndpointFailing",
    "PushesDead",
    "AccountSilent",
    "AccountUnrecognised",
    "EndpointRecovered",
)
assert set(_BY_URGENCY) == set(ANNOUNCEMENT_KINDS)
