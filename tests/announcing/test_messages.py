"""Messages to people: what each format says about one event, and about a storm of them."""

import json
import re

import jsonschema_rs
import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from support.examples import examples
from support.rows import every_row
from trackpush_api.vocabulary import ANNOUNCEMENT_KINDS, AnnouncementKind
from trackpush_server.announcing.events import AnnouncedEvent
from trackpush_server.announcing.messages import (
    MOST_BYTES,
    MOST_SLACK_CHARS,
    Announcement,
    TargetFormat,
    render,
)
from trackpush_server.announcing.schema import EventView, MessageBody, message_schema

VALIDATOR = jsonschema_rs.Draft202012Validator(message_schema())
SINCE = 1_795_986_000_000  # 2026-11-29T21:00:00Z


def event(kind: AnnouncementKind = "EndpointFailing", name: str = "acme/oms", **fields: object) -> AnnouncedEvent:
    given = {"reason": kind, "message": "HTTP 500 from its server.", "since": SINCE, **fields}
    subject = "AggregatorWebhook" if kind.startswith("Account") else "PushConfig"
    return AnnouncedEvent(kind=kind, subject=subject, name=name, **given)  # type: ignore[arg-type]


def message(*events: AnnouncedEvent, console: str | None = None, test: bool = False) -> Announcement:
    return Announcement(
        id="ann_1", at=SINCE + 60_000, server="trackpush/main", events=events or (event(),), console=console, test=test
    )


def standard(made: Announcement) -> dict[str, object]:
    body = json.loads(render("StandardWebhooks", made))
    assert isinstance(body, dict)
    return body


def slack(made: Announcement) -> str:
    body = json.loads(render("Slack", made))
    assert list(body) == ["text"]
    text = body["text"]
    assert isinstance(text, str)
    return text


def test_one_event_is_a_sentence_with_the_reason_and_a_link_for_slack() -> None:
    assert slack(message(console="https://console.example/")).splitlines() == [
        "*The endpoint of acme/oms has been failing since 2026-11-29 21:00 UTC (11-30 02:30 IST).*",
        "HTTP 500 from its server.",
        "<https://console.example/console/clients/acme|acme/oms>",
        "Trackpush, WebhookServer trackpush/main · <https://console.example/console/|Console>",
    ]


def test_one_event_is_a_document_for_a_program() -> None:
    assert standard(message(console="https://console.example")) == {
        "id": "ann_1",
        "type": "EndpointFailing",
        "timestamp": "2026-11-29T21:01:00Z",
        "data": {
            "server": "trackpush/main",
            "text": "The endpoint of acme/oms has been failing since 2026-11-29 21:00 UTC (11-30 02:30 IST).",
            "test": False,
            "total": 1,
            "counts": {"EndpointFailing": 1},
            "events": [
                {
                    "type": "EndpointFailing",
                    "kind": "PushConfig",
                    "name": "acme/oms",
                    "client": "acme",
                    "since": "2026-11-29T21:00:00Z",
                    "reason": "EndpointFailing",
                    "text": "The endpoint of acme/oms has been failing since 2026-11-29 21:00 UTC (11-30 02:30 IST)."
                    " HTTP 500 from its server.",
                    "number": 1,
                    "url": "https://console.example/console/clients/acme",
                }
            ],
        },
    }


@every_row(
    ("kind", "number", "sentence"),
    [
        ("EndpointFailing", 1, "The endpoint of acme/x has been failing since {}."),
        ("EndpointRecovered", 1, "The endpoint of acme/x accepts pushes again. It had been failing since {}."),
        ("EndpointGone", 1, "The endpoint of acme/x answered 410 (Gone) at {}, and its pushes wait."),
        ("PushesDead", 1, "1 push to acme/x died, the latest at {}."),
        ("PushesDead", 12, "12 pushes to acme/x died, the latest at {}."),
        ("AccountSilent", 1, "The account acme/x has been silent since {}."),
        ("AccountUnrecognised", 1, "1 body of the account acme/x named no shipment, the latest at {}."),
        ("AccountUnrecognised", 3, "3 bodies of the account acme/x named no shipment, the latest at {}."),
    ],
)
def test_each_kind_of_event_has_its_sentence(kind: AnnouncementKind, number: int, sentence: str) -> None:
    said = slack(message(event(kind, "acme/x", number=number))).splitlines()[0]

    assert said == f"*{sentence.format('2026-11-29 21:00 UTC (11-30 02:30 IST)')}*"


def test_a_storm_is_one_message_with_the_numbers_and_the_first_ten() -> None:
    storm = [event(name=f"client-{index:05d}/oms") for index in range(10_000)]
    storm += [event("AccountSilent", "acme/clickpost"), event("EndpointGone", "acme/oms")]

    lines = slack(message(*reversed(storm))).splitlines()
    assert lines[0] == "*1 endpoint answered 410 (Gone), 10000 endpoints are failing, 1 account is silent.*"
    assert lines[1].startswith("• The endpoint of acme/oms answered 410")
    assert lines[2].startswith("• The endpoint of client-00000/oms has been failing")
    assert lines[-2:] == ["• and 9992 more", "Trackpush, WebhookServer trackpush/main"]

    body = json.loads(render("StandardWebhooks", message(*storm)))
    assert body["type"] == "Several"
    assert body["data"]["total"] == 10_002
    assert body["data"]["counts"] == {"EndpointGone": 1, "EndpointFailing": 10_000, "AccountSilent": 1}
    assert len(body["data"]["events"]) == 100


def test_events_of_one_kind_give_the_message_its_type() -> None:
    assert standard(message(event(), event(name="beta/oms")))["type"] == "EndpointFailing"


def test_texts_can_neither_mention_people_nor_make_links_in_slack() -> None:
    text = slack(message(event(message="<!channel> & <https://evil.example|click>\n\x1b[31m@here @all")))

    assert "&lt;!channel&gt; &amp; &lt;https://evil.example|click&gt; [31m@\u200bhere @\u200ball" in text
    assert "<" not in text
    assert not re.search(r"@\w", text)


@every_row("target_format", ["StandardWebhooks", "Slack"])
def test_a_test_message_says_so(target_format: TargetFormat) -> None:
    body = json.loads(render(target_format, message(test=True)))

    said = body["text"] if target_format == "Slack" else body["data"]["text"]
    assert said.lstrip("*").startswith("Test, nothing has happened: The endpoint of acme/oms")
    assert target_format == "Slack" or body["data"]["test"] is True


texts = st.text(max_size=3000)
events = st.builds(
    AnnouncedEvent,
    kind=st.sampled_from(ANNOUNCEMENT_KINDS),
    subject=st.sampled_from(["PushConfig", "AggregatorWebhook"]),
    name=st.builds("{}/{}".format, st.text("abc-&<>@.", min_size=1, max_size=253), st.text("xyz-", max_size=253)),
    since=st.integers(0, 4_102_444_800_000),
    reason=texts,
    message=texts,
    number=st.integers(1, 10**9),
)


@settings(max_examples=examples(60), deadline=None)
@given(found=st.lists(events, min_size=1, max_size=120), console=st.sampled_from([None, "https://c.example/a|b&c"]))
def test_any_events_give_a_bounded_body_that_its_schema_reads(found: list[AnnouncedEvent], console: str | None) -> None:
    made = message(*found, console=console)
    encoded = render("StandardWebhooks", made)
    text = slack(made)

    VALIDATOR.validate(json.loads(encoded))
    body = msgspec.json.decode(encoded, type=MessageBody)
    assert len(encoded) <= MOST_BYTES
    assert body.data.total == len(found) == sum(body.data.counts.values())
    assert all(isinstance(view, EventView) for view in body.data.events)
    assert len(text) <= MOST_SLACK_CHARS
    links = text.count("<https://c.example/a%7Cb&amp;c/console/")
    assert text.count("<") == text.count(">") == links


@every_row("target_format", ["StandardWebhooks", "Slack"])
def test_equal_messages_give_equal_bytes_in_any_order_of_events(target_format: TargetFormat) -> None:
    found = [event(kind, name) for kind in ANNOUNCEMENT_KINDS for name in ("beta/x", "acme/x")]

    assert render(target_format, message(*found)) == render(target_format, message(*reversed(found)))


def test_long_texts_are_cut_and_a_message_that_would_be_too_large_lists_fewer_events() -> None:
    long = [event(name=f"{'n' * 250}{index:03d}/oms", message="₹" * 3000) for index in range(100)]

    encoded = render("StandardWebhooks", message(*long))
    body = msgspec.json.decode(encoded, type=MessageBody)
    assert MOST_BYTES / 4 < len(encoded) <= MOST_BYTES
    assert (body.data.total, len(body.data.events)) == (100, 25)
    assert len(body.data.events[0].text) < 1000

    text = slack(message(*long))
    listed = text.count("• The endpoint")
    assert MOST_SLACK_CHARS / 2 < len(text) <= MOST_SLACK_CHARS
    assert 0 < listed < 10
    assert f"• and {100 - listed} more" in text
