"""`trackpush pushes` tells what became of updates, from the journal's file alone, with the server up or down."""

import asyncio
import csv
import io
import json
import re
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
import yaml
from click.testing import CliRunner, Result

from trackpush_aggregators import compose, decode, parse
from trackpush_aggregators.updates import notification, update_key
from trackpush_api.vocabulary import Aggregator
from trackpush_cli.main import cli
from trackpush_server.ids import push_id
from trackpush_server.journal.model import NewPush, NewUpdate, Outcome, PushState
from trackpush_server.journal.sqlite import SqliteJournal

DUE = 4_102_444_800_000
"""A next try far in the future: 2100-01-01."""


def update(awb: str, status: str, second: int, push_config: str = "acme/oms") -> NewUpdate:
    occurred_at = 1_700_000_000_000 + second * 1000
    body = compose(Aggregator.CLICKPOST, status, awb=awb, order_id=f"SO-{awb}", occurred_at=occurred_at)
    (read,) = parse(Aggregator.CLICKPOST, decode(body), body, key=None, received_at=1_790_000_000_000).updates
    return NewUpdate(
        key=update_key("acme/clickpost", read),
        account="acme/clickpost",
        received_at=occurred_at + 500,
        occurred_at=occurred_at,
        shipment=read.shipment,
        awb=awb,
        forward_awb=None,
        order_id=f"SO-{awb}",
        status=status,
        notification=msgspec.json.encode(notification(read, occurred_at + 500)),
        body=body,
        pushes=(NewPush(push_config),),
    )


UPDATES = (
    update("1001", "OUT_FOR_DELIVERY", 0),
    update("1001", "DELIVERED", 60),
    update("1002", "IN_TRANSIT", 120, "zen/shop"),
)
IDS = tuple(push_id(each.key, each.pushes[0].push_config) for each in UPDATES)


def outcome(number: int, tries: int, state: PushState, **more: object) -> Outcome:
    return Outcome(
        update_id=number,
        push_config=UPDATES[number - 1].pushes[0].push_config,
        state=state,
        tries=tries,
        started_at=1_700_000_001_000 + tries * 5000,
        duration_ms=12.34,
        **more,  # type: ignore[arg-type]
    )


async def _fill(folder: Path, updates: Sequence[NewUpdate]) -> None:
    journal = SqliteJournal(folder)
    await journal.start()
    for each in updates:
        await journal.updates.append([each])
    journal.pushes.record(outcome(1, 1, PushState.PENDING, http_status=500, error="HTTP 500: try later", due_at=1))
    journal.pushes.record(outcome(1, 2, PushState.DELIVERED, http_status=200))
    journal.pushes.record(outcome(3, 1, PushState.PENDING, error="connect: refused", due_at=DUE))
    await journal.pushes.flush()
    await journal.close()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("journal")
    asyncio.run(_fill(folder, UPDATES))
    return folder


def pushes(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["pushes", *arguments])


def ids(data: Path, *arguments: str) -> list[str]:
    result = pushes("list", "--data", str(data), "-o", "json", *arguments)
    assert result.exit_code == 0, result.output
    return [push["id"] for push in json.loads(result.stdout)["pushes"]]


def test_all_pushes_are_listed_newest_first(data: Path) -> None:
    assert ids(data) == [IDS[2], IDS[1], IDS[0]]


@pytest.mark.parametrize(
    ("arguments", "numbers"),
    [
        (("--awb", "1001"), [1, 0]),
        (("--client", "zen"), [2]),
        (("--push-config", "acme/oms"), [1, 0]),
        (("--state", "delivered"), [0]),
        (("--state", "pending"), [2, 1]),
        (("--state", "dead"), []),
        (("--since", "2023-11-14T22:14:00Z"), [2, 1]),
        (("--until", "2023-11-14T22:14:00Z"), [0]),
        (("--limit", "1"), [2]),
        (("--awb", "1001", "--awb", "1002"), [2, 1, 0]),
        (("--awb", " 1002,1001\n9999 "), [2, 1, 0]),
        (("--order", "SO-1002"), [2]),
        (("--status", "delivered"), [1]),
        (("--account", "acme/clickpost"), [1, 0]),
        (("--error", "connect"), [2]),
        (("--error", "5xx,too-old"), []),
        (("--ended-since", "2023-11-14T22:13:00Z"), [0]),
        (("--ended-until", "2023-11-14T22:13:00Z"), []),
    ],
)
def test_each_option_narrows_the_list(data: Path, arguments: tuple[str, ...], numbers: list[int]) -> None:
    assert ids(data, *arguments) == [IDS[number] for number in numbers]


def test_the_cursor_leads_through_all_pages(data: Path) -> None:
    seen: list[str] = []
    cursor: list[str] = []
    for _ in range(4):
        result = pushes("list", "--data", str(data), "-o", "json", "--limit", "1", *cursor)
        page = json.loads(result.stdout)
        seen += [push["id"] for push in page["pushes"]]
        if page["cursor"] is None:
            break
        cursor = ["--cursor", page["cursor"]]

    assert seen == [IDS[2], IDS[1], IDS[0]]


def test_the_table_is_never_cut_when_piped_and_shows_the_next_try(data: Path) -> None:
    lines = pushes("list", "--data", str(data)).stdout.splitlines()

    assert lines[0].split()[:2] == ["RECEIVED", "SHIPMENT"]
    assert [line.rsplit(maxsplit=1)[-1] for line in lines[1:]] == [IDS[2], IDS[1], IDS[0]]
    assert "zen/shop" in lines[1]
    assert "connect: refused" in lines[1]
    assert "(in " in lines[1]
    assert "  Queued: " in lines[2]


def test_a_list_without_matches_says_so_and_ends_with_0(data: Path) -> None:
    result = pushes("list", "--data", str(data), "--awb", "nothing")

    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "no pushes match\n")


def test_a_client_that_nobody_has_is_answered_with_a_similar_one(data: Path) -> None:
    result = pushes("list", "--data", str(data), "--client", "acm")

    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "no pushes match: the client acm has no pushes; did you mean acme?\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--error", "6xx"), "unknown error class '6xx'; use 3xx, 4xx"),
        (("--awb", " ,"), "it is empty"),
        (("--awb", ",".join(map(str, range(201)))), "201 AWBs are too many: name at most 200"),
        (("--limit", "1001"), "1001 is more than 1000; -o csv and -o ndjson write any number"),
        (("--status", "DELIVRED"), "is not one of"),
        (("--tz", "Mars/Base"), "unknown time zone 'Mars/Base'"),
    ],
)
def test_a_wrong_option_is_explained(data: Path, arguments: tuple[str, ...], message: str) -> None:
    result = pushes("list", "--data", str(data), *arguments)

    assert result.exit_code == 2
    assert message in " ".join(result.stderr.replace("│", " ").split())


def test_csv_and_ndjson_hold_all_pages_and_the_same_members_as_json(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trackpush_cli.pushes_export._PAGE", 1)
    whole = json.loads(pushes("list", "--data", str(data), "-o", "json").stdout)["pushes"]
    lines = pushes("list", "--data", str(data), "-o", "ndjson").stdout.splitlines()
    rows = list(csv.DictReader(io.StringIO(pushes("list", "--data", str(data), "-o", "csv").stdout, newline="")))
    two = pushes("list", "--data", str(data), "-o", "csv", "--limit", "2").stdout.splitlines()

    assert [json.loads(line) for line in lines] == whole
    assert [row["id"] for row in rows] == [push["id"] for push in whole]
    assert {name for row in rows for name in row} == whole[0].keys() | {"whyMessage"}
    assert [(row["why"], row["whyMessage"]) for row in rows] == [
        (push["why"]["code"], push["why"]["message"]) for push in whole
    ]
    assert rows[0]["error"] == "connect: refused"
    assert len(two) == 1 + 2


def test_times_are_shown_in_the_readers_zone_beside_utc_and_with_their_age(data: Path) -> None:
    india = pushes("list", "--data", str(data), "--awb", "1002").stdout
    london = pushes("list", "--data", str(data), "--awb", "1002", "--tz", "Europe/London").stdout
    utc = pushes("list", "--data", str(data), "--awb", "1002", "--tz", "UTC").stdout

    assert "2023-11-14 22:15:20.500Z (11-15 03:45:20 IST, " in india
    assert "2023-11-14 22:15:20.500Z (22:15:20 GMT, " in london
    assert re.search(r"2023-11-14 22:15:20\.500Z \(\d+ d ago\)", utc)


def test_a_push_is_shown_with_every_try(data: Path) -> None:
    result = pushes("show", IDS[0], "--data", str(data))

    assert result.exit_code == 0, result.output
    for word in ("delivered", "1001", "SO-1001", "clickpost", "forward", "OUT_FOR_DELIVERY"):
        assert word in result.stdout
    tries = result.stdout.splitlines()[-2:]
    assert tries[0].split()[0] == "1"
    assert "12.3ms" in tries[0]
    assert tries[0].endswith("  HTTP 500: try later"), "the status stands there once"
    assert tries[1].split()[0] == "2"
    assert tries[1].endswith("  HTTP 200")


def test_a_waiting_push_shows_when_its_next_try_is_due(data: Path) -> None:
    result = pushes("show", IDS[2], "--data", str(data))

    assert "2100-01-01T00:00:00Z" in result.stdout
    assert "connect: refused" in result.stdout


@pytest.mark.parametrize("form", ["table", "json", "yaml"])
def test_bodies_are_shown_only_when_asked_for(data: Path, form: str) -> None:
    without = pushes("show", IDS[0], "--data", str(data), "-o", form)
    with_body = pushes("show", IDS[0], "--data", str(data), "-o", form, "--body")

    assert "Mumbai" not in without.stdout
    assert "Mumbai" in with_body.stdout


def test_json_and_yaml_say_the_same(data: Path) -> None:
    as_json = json.loads(pushes("show", IDS[0], "--data", str(data), "-o", "json", "--body").stdout)
    as_yaml = yaml.safe_load(pushes("show", IDS[0], "--data", str(data), "-o", "yaml", "--body").stdout)

    assert as_json == as_yaml
    assert [attempt["httpStatus"] for attempt in as_json["attempts"]] == [500, 200]


def test_a_push_that_is_not_there_ends_with_1(data: Path) -> None:
    unknown = f"psh_{'0' * 32}-00000000"
    result = pushes("show", unknown, "--data", str(data))

    assert result.exit_code == 1
    assert f"push {unknown}: not in the journal of {data}" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("show", "7", "--data", "."), "not a push id: '7'"),
        (("list", "--admin", "127.0.0.1:1"), "is the server running"),
        (("list", "--data", "/nowhere"), "no journal at /nowhere"),
    ],
)
def test_wrong_usage_ends_with_2_and_says_what_is_wrong(arguments: tuple[str, ...], said: str) -> None:
    result = pushes(*arguments)

    assert result.exit_code == 2, result.output
    assert said in result.stderr


def test_a_cursor_that_is_none_is_refused(data: Path) -> None:
    result = pushes("list", "--data", str(data), "--cursor", "abc")

    assert result.exit_code == 2
    assert "not a cursor: 'abc'" in result.stderr


def test_a_file_that_is_not_a_journal_is_named(tmp_path: Path) -> None:
    (tmp_path / "journal.db").write_bytes(b"something else" * 100)
    result = pushes("list", "--data", str(tmp_path))

    assert result.exit_code == 2
    assert "journal.db" in result.stderr


async def test_pushes_are_listed_while_the_server_has_the_journal_open(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path)
    await journal.start()
    try:
        await journal.updates.append([UPDATES[0]])

        assert await asyncio.to_thread(ids, tmp_path) == [IDS[0]]
    finally:
        await journal.close()
