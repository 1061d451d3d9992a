"""What the page for clients' developers shows is what is pushed; a difference is shown as the text to put there."""

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aggregators.bodies import SAMPLES
from formats.samples import canonical, cloud_event, updates
from support.page import blocks, table
from trackpush_api.kinds.push_config import Delivery
from trackpush_api.routing import Destination, Retry
from trackpush_api.vocabulary import TERMINAL, Aggregator, Status
from trackpush_server.notification_schema import notification_schema
from trackpush_server.outbound.port import Answer, Failure
from trackpush_server.outbound.request import build_head, build_request
from trackpush_server.outbound.target import parse_target
from trackpush_server.pusher import policy, render
from trackpush_server.pusher.policy import Verdict

PAGE = Path(__file__).parents[2] / "docs" / "receiving-pushes.md"
EXAMPLES = blocks(PAGE, "example")
(UPDATE,) = updates(Aggregator.CLICKPOST, (SAMPLES / "clickpost/03_delivered_selected.json").read_bytes())
DESTINATION = Destination(
    name="acme/oms", url="https://oms.acme.example/hooks/shipments", headers=(("X-Acme-Key", "your-own-header"),)
)
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
SENT_AT = 1_750_000_001
RAW_ELSEWHERE = {"…": "what the aggregator sent, see Raw"}
DATA_ELSEWHERE = {"…": "the canonical notification, as above"}
MOST_VALUES_IN_A_CELL = 4
INDENTED = 2
_PLAIN_KINDS = {"string": "text", "boolean": "true or false", "integer": "number", "array": "list of texts"}
_VERSION = re.compile("Trackpush/[0-9.a-z]+")


def shown(document: dict[str, Any]) -> str:
    """A body as the page shows it."""
    return json.dumps(document, indent=INDENTED, ensure_ascii=False) + "\n"


def test_the_request_is_the_one_that_is_sent() -> None:
    body = canonical(UPDATE)
    identity = json.loads(body)["id"]
    headers = render.headers(identity, SENT_AT, body, render.signing_keys((SECRET,)))
    request = build_request(build_head(DESTINATION, parse_target(DESTINATION.url)), headers, body)

    head = request.partition(b"\r\n\r\n")[0].decode().replace("\r\n", "\n") + "\n"

    assert _VERSION.sub("Trackpush/", head) == _VERSION.sub("Trackpush/", EXAMPLES["request"])


def test_the_canonical_body_is_the_one_that_is_sent() -> None:
    assert shown(json.loads(canonical(UPDATE)) | {"raw": RAW_ELSEWHERE}) == EXAMPLES["canonical"]


def test_the_raw_body_is_the_one_that_is_sent() -> None:
    assert UPDATE.body.decode().rstrip() + "\n" == EXAMPLES["raw"]


def test_the_cloud_event_is_the_one_that_is_sent() -> None:
    event = json.loads(cloud_event(UPDATE))

    assert event["data"] == json.loads(canonical(UPDATE))
    assert shown(event | {"data": DATA_ELSEWHERE}) == EXAMPLES["cloudevents"]


def _fields(schema: dict[str, Any], place: str, root: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for name, field in schema["properties"].items():
        path = f"{place}{name}"
        inner = _resolved(field, root)
        yield path, _kind(field, root), field.get("description") or inner["description"]
        if "properties" in inner:
            yield from _fields(inner, f"{path}.", root)


def _resolved(field: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in field:
        return field
    named: dict[str, Any] = root["$defs"][field["$ref"].rpartition("/")[2]]
    return named | {name: value for name, value in field.items() if name != "$ref"}


def _kind(field: dict[str, Any], root: dict[str, Any]) -> str:
    inner = _resolved(field, root)
    if "anyOf" in inner:
        rest = {name: value for name, value in inner.items() if name != "anyOf"}
        return f"{_kind(rest | inner['anyOf'][0], root)}, or null"
    if "enum" in inner:
        few = len(inner["enum"]) <= MOST_VALUES_IN_A_CELL
        return ", ".join(f"`{value}`" for value in inner["enum"]) if few else "a [code](#codes)"
    if "maxLength" in inner:
        return f"text, at most {inner['maxLength']} characters"
    kinds = {"date-time": "time, RFC 3339", "date": "day, `YYYY-MM-DD`"}
    return kinds.get(inner.get("format", "")) or _PLAIN_KINDS.get(inner["type"], inner["type"])


def test_the_table_of_fields_is_the_schemas() -> None:
    schema = notification_schema()

    rows = "".join(f"| `{path}` | {kind} | {meaning} |\n" for path, kind, meaning in _fields(schema, "", schema))

    assert "| field | is | meaning |\n|---|---|---|\n" + rows == table(PAGE, "fields")


def test_the_codes_are_all_that_there_are() -> None:
    definitions = notification_schema()["$defs"]
    rows = {
        "`status.code`, in its course": [each for each in Status if each not in TERMINAL],
        "`status.code`, terminal": [each for each in Status if each in TERMINAL],
        "`status.ndrReason`": sorted(definitions["NdrReason"]["enum"]),
    }

    text = "".join(f"| {name} | {', '.join(f'`{each}`' for each in values)} |\n" for name, values in rows.items())

    assert "| field | values |\n|---|---|\n" + text == table(PAGE, "codes")


VERDICTS = {
    "2xx": ([200, 201, 202, 204], "has delivered", Verdict.DELIVERED),
    "3xx": ([301, 302, 307, 308], "counts a failure", Verdict.FAILED),
    "408": ([408], "tries again", Verdict.FAILED),
    "425": ([425], "tries again", Verdict.FAILED),
    "429": ([429], "tries again", Verdict.FAILED),
    "410": ([410], "stops", Verdict.GONE),
    "4xx": ([400, 401, 403, 404, 422], "takes it that you refuse", Verdict.REJECTED),
    "5xx": ([500, 502, 503, 504], "tries again", Verdict.FAILED),
}


@pytest.mark.parametrize("answer", VERDICTS)
def test_the_table_of_answers_says_what_the_policy_does(answer: str) -> None:
    statuses, said, verdict = VERDICTS[answer]
    (row,) = [line for line in table(PAGE, "answers").splitlines() if f"`{answer}`" in line.split("|")[1]]

    assert row.split("|")[2].strip().startswith(said)
    assert {policy.judge(Answer(status=status)) for status in statuses} == {verdict}
    for status in set(statuses) & policy.SLOW_DOWN:
        assert f"`{status}`" in row.split("|")[2], "it says which ones slow down"


def test_no_answer_is_a_failure() -> None:
    assert "nothing: time-out, refused, TLS error | tries again" in table(PAGE, "answers")
    assert policy.judge(Answer(status=None, failure=Failure.TIMEOUT)) is Verdict.FAILED


def test_the_figures_are_the_defaults() -> None:
    page = " ".join(PAGE.read_text().split())

    assert Retry().schedule == (5, 30, 120, 600, 1800, 7200, 21600)
    assert "after 5 s, 30 s, 2 min, 10 min, 30 min, 2 h, and every 6 h until the update is 72 hours old" in page
    assert "each ±20 %" in page
    assert (Retry().max_age, Retry().jitter) == (72 * 3600, 0.2)
    assert f"gives it up after {policy.MAX_REJECTIONS} refusals" in page
    assert policy.MAX_RETRY_AFTER == 3600
    assert "respected, up to an hour" in page
    assert Delivery.model_validate({}).timeout == "10s"
    assert "You have 10 seconds for the whole exchange" in page


def test_every_link_leads_somewhere() -> None:
    page = PAGE.read_text()
    headings = {re.sub(r"[^a-z0-9 -]", "", line.lower()).strip().replace(" ", "-") for line in
                re.findall(r"^#+ (.*)$", page, re.MULTILINE)}  # fmt: skip

    for target in re.findall(r"\]\(([^)]+)\)", page):
        if target.startswith("#"):
            assert target[1:] in headings
        elif not target.startswith("https://"):
            assert (PAGE.parent / target).exists(), target
