"""Renders a message to people in the format of its target. Pure. docs/notifications.md.

A message has one event, or, after many, all events of a while: then it is a summary with numbers and the first events.
"""

from collections.abc import Iterator, Sequence
from typing import Final, Literal
from urllib.parse import quote, urlencode

import msgspec

from trackpush_aggregators.updates import rfc3339
from trackpush_api.routing import namespace_of
from trackpush_server.announcing.events import AnnouncedEvent
from trackpush_server.announcing.schema import EventView, MessageBody, MessageData
from trackpush_server.announcing.sentences import by_urgency, count_kinds, headline, overview, shown

TargetFormat = Literal["StandardWebhooks", "Slack"]
MOST_BYTES: Final = 64 * 1024
"""Maximum size of a body in the format StandardWebhooks."""
MOST_SLACK_CHARS: Final = 4000
"""Maximum length of a Slack message's text. Slack recommends it, and refuses 40,000."""
_LISTED: Final = {"StandardWebhooks": 100, "Slack": 10}
"""Maximum number of events that a message lists; it counts the others."""
_CONTROL: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
"""Slack's control characters (docs.slack.dev, "Formatting message text")."""


class Announcement(msgspec.Struct, frozen=True, kw_only=True):
    """One message to one target."""

    id: str
    """``ann_…``: the webhook-id, the same in every attempt."""
    at: int
    """When it was made, in milliseconds since the epoch."""
    server: str
    """``namespace/name`` of the WebhookServer."""
    events: tuple[AnnouncedEvent, ...]
    """At least one."""
    console: str | None = None
    """URL of the console in browsers, without a path, if known."""
    test: bool = False
    """Whether it was only made to try out the target."""


def render(target_format: TargetFormat, message: Announcement) -> bytes:
    """The body for a target of this format, bounded in size however many events there are."""
    events = by_urgency(message.events)
    return _slack(message, events) if target_format == "Slack" else _standard(message, events)


def page(console: str | None, event: AnnouncedEvent) -> str | None:
    """The console's page about an event."""
    if console is None:
        return None
    base = f"{console.rstrip('/')}/console"
    if event.kind == "PushesDead":
        return f"{base}/dead?{urlencode({'pushConfig': event.name})}"
    if event.kind == "AccountUnrecognised":
        return f"{base}/inbox"
    return f"{base}/clients/{quote(namespace_of(event.name), safe='')}"


def _text(message: Announcement, events: Sequence[AnnouncedEvent]) -> str:
    said = headline(events[0]) if len(events) == 1 else f"{overview(events)}."
    return f"Test, nothing has happened: {said}" if message.test else said


def _standard(message: Announcement, events: Sequence[AnnouncedEvent]) -> bytes:
    counts = count_kinds(events)
    views = [_view(message, event) for event in events[: _LISTED["StandardWebhooks"]]]
    while True:
        body = MessageBody(
            id=message.id,
            type=next(iter(counts)) if len(counts) == 1 else "Several",
            timestamp=rfc3339(message.at),
            data=MessageData(
                server=message.server,
                text=_text(message, events),
                test=message.test,
                total=len(events),
                counts=counts,
                events=views,
            ),
        )
        encoded = msgspec.json.encode(body)
        if len(encoded) <= MOST_BYTES or not views:
            return encoded
        views = views[: len(views) // 2]


def _view(message: Announcement, event: AnnouncedEvent) -> EventView:
    return EventView(
        type=event.kind,
        kind=event.subject,
        name=event.name,
        client=namespace_of(event.name),
        since=rfc3339(event.since),
        reason=shown(event.reason),
        text=_said(event),
        number=event.number,
        url=page(message.console, event) or "",
    )


def _said(event: AnnouncedEvent) -> str:
    return f"{headline(event)} {shown(event.message)}".rstrip()


def _slack(message: Announcement, events: Sequence[AnnouncedEvent]) -> bytes:
    first = f"*{_escape(_text(message, events))}*"
    last = _escape(f"Trackpush, WebhookServer {message.server}")
    if message.console is not None:
        last += " · " + _link(f"{message.console.rstrip('/')}/console/", "Console")
    room = MOST_SLACK_CHARS - len(first) - len(last) - 40
    lines: list[str] = []
    for line in _slack_lines(message, events[: _LISTED["Slack"]]):
        room -= len(line) + 1
        if room < 0:
            break
        lines.append(line)
    more = len(events) - len(lines)
    if len(events) > 1 and more:
        lines.append(f"• and {more} more")
    return msgspec.json.encode({"text": "\n".join([first, *lines, last])})


def _slack_lines(message: Announcement, events: Sequence[AnnouncedEvent]) -> Iterator[str]:
    if len(events) == 1:
        (event,) = events
        if event.message:
            yield _escape(shown(event.message))
        url = page(message.console, event)
        if url is not None:
            yield _link(url, event.name)
        return
    for event in events:
        url = page(message.console, event)
        yield f"• {_escape(_said(event))}" + ("" if url is None else f" {_link(url, 'Show')}")


def _link(url: str, text: str) -> str:
    return f"<{url.translate(_CONTROL).replace('|', '%7C')}|{_escape(text)}>"


def _escape(text: str) -> str:
    """The text without markup. An invisible space after @ prevents mentions in Mattermost, which reads plain text."""
    return text.translate(_CONTROL).replace("@", "@\u200b")
