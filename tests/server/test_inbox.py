"""A body with a known key that names no shipment is answered with 200, kept, and pushed once it can be read."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from io import StringIO
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from support.deadline import until, until_found
from support.definitions import NAME, body, definition
from support.postgres_fixtures import EITHER_STORAGE
from support.serving import HeldSource, account, reception, serving, table
from support.sink import open_sink
from trackpush_aggregators import BUILT_IN, Reader
from trackpush_aggregators.clickpost import parser as clickpost
from trackpush_aggregators.updates import rfc3339
from trackpush_aggregators.values import members
from trackpush_api.routing import Destination, Encryption, Retention, RoutingTable, Sqlite, Storage
from trackpush_api.vocabulary import Aggregator
from trackpush_server.config.source import Loaded
from trackpush_server.journal.inbox import InboxBounds, NewUnrecognised
from trackpush_server.journal.model import JournalUnavailableError
from trackpush_server.operations.inbox import InboxRetryRequest, InboxRetryView
from trackpush_server.server import Server

INPUTS = Path(__file__).parents[1] / "field" / "inputs"
WRAPPED = (INPUTS / "F03a_clickpost_data_wrapper_SILENT200.json").read_bytes()
RETURN_EVENT = (INPUTS / "F03b_shiprocket_return_event_other_ids_SILENT200.json").read_bytes()
UPDATE = b'{"waybill": "8001", "clickpost_status_code": 8, "timestamp": "2026-06-02T13:23:02Z"}'
OPERATE, VIEW = "token-that-may-operate", "token-that-may-view"


class Rig:
    """A server, and a client that asks and posts."""

    def __init__(self, server: Server, session: aiohttp.ClientSession) -> None:
        self.server = server
        self.session = session

    async def post(
        self, content: bytes, segment: str = "clickpost", key: str | None = None, kind: str = "application/json"
    ) -> tuple[int, Any]:
        slug = "shiprocket" if segment == "st" else segment
        headers = {"x-api-key": key or f"right-key-of-{slug}", "Content-Type": kind}
        url = f"http://{self.server.address}/rms/in/api/{segment}/notify"
        async with self.session.post(url, data=content, headers=headers) as answer:
            return answer.status, await answer.json(content_type=None)

    def read_by_older_rules(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let requests be read by the rules before those of the fixture `reads_wrapped`."""
        serving = reception(self.server).receiver.serving
        assert serving is not None
        before = Reader(name="Clickpost", updates=clickpost.updates)
        served = msgspec.structs.replace(serving.aggregators["Clickpost"], reader=before)
        monkeypatch.setitem(serving.aggregators, "Clickpost", served)

    async def ask(self, path: str, *, token: str = OPERATE, method: str = "GET", request: object = None) -> Any:
        url = f"http://{self.server.admin_address}/api/v1{path}"
        headers = {"Authorization": f"Bearer {token}"}
        async with self.session.request(method, url, headers=headers, json=request) as answer:
            return await answer.json(content_type=None)

    async def kept(self) -> list[bytes]:
        """The bodies, newest first."""
        found = (await self.ask("/inbox"))["bodies"]
        each = [await self.ask(f"/inbox/{listed['id']}") for listed in found]
        # A body may be deleted between the list and its page.
        return [base64.b64decode(shown["bodyBase64"]) for shown in each if "bodyBase64" in shown]

    async def metric(self, name: str) -> float:
        async with self.session.get(f"http://{self.server.admin_address}/metrics") as answer:
            text = await answer.text()
        return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(f"{name}{{"))

    async def retry(self, **request: Any) -> InboxRetryView:
        view = self.server._operations.retries.start(InboxRetryRequest(**request))
        await until(lambda: view.state != "running", seconds=30, what=lambda: str(view))
        assert view.error is None, view
        return view


def tokens(folder: Path) -> dict[str, Path]:
    for name, token in (("operate", OPERATE), ("view", VIEW)):
        (folder / name).write_text(token)
    return {"admin_token_file": folder / "operate", "admin_view_token_file": folder / "view"}


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session:
        yield session


@pytest.fixture
def reads_wrapped(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rules of a later version, which reads updates below ``data``."""

    def updates(item: dict[str, Any], body: bytes, until: int) -> Any:
        found = list(clickpost.updates(item, body, until))
        return found or clickpost.updates(dict(members(item.get("data"))), body, until)

    monkeypatch.setitem(BUILT_IN, "Clickpost", Reader(name="Clickpost", updates=updates))


@EITHER_STORAGE
@pytest.mark.parametrize("receivers", [0, 1])
async def test_a_body_that_names_no_shipment_is_kept_before_its_200_and_is_there_after_a_restart(
    tmp_path: Path, storage: Storage, session: aiohttp.ClientSession, receivers: int
) -> None:
    given = table(storage=storage)
    async with serving(tmp_path, given, receivers=receivers, **tokens(tmp_path)) as server:
        rig = Rig(server, session)
        assert await rig.post(WRAPPED) == (200, {"accepted": 0, "duplicates": 0, "unrecognised": 1})
        assert (await rig.post(RETURN_EVENT, "st"))[0] == 200
    async with serving(tmp_path, given, **tokens(tmp_path)) as server:
        rig = Rig(server, session)
        assert await rig.kept() == [RETURN_EVENT, WRAPPED]
        found = await rig.ask("/inbox")
        assert [body["account"] for body in found["bodies"]] == ["acme/shiprocket", "acme/clickpost"]
        assert [(account["account"], account["bodies"]) for account in found["accounts"]] == [
            ("acme/clickpost", 1),
            ("acme/shiprocket", 1),
        ]


@pytest.mark.parametrize(
    ("segment", "content"),
    [
        ("clickpost", b""),
        ("clickpost", b"{}"),
        ("st", b" [] "),
        ("st", b"null"),
        ("shipway", b'{"hash": "x", "status_feed": []}'),
        ("shipway", b'{"status_feed": [{}]}'),
        ("shipway", b'[{"hash": "x"}, {}]'),
    ],
)
async def test_a_probe_with_a_known_key_is_not_kept(
    tmp_path: Path, session: aiohttp.ClientSession, segment: str, content: bytes
) -> None:
    async with serving(tmp_path, **tokens(tmp_path)) as server:
        rig = Rig(server, session)
        assert await rig.post(content, segment) == (200, {"accepted": 0, "duplicates": 0})
        assert await rig.kept() == []


async def test_without_a_known_key_nothing_is_kept(tmp_path: Path, session: aiohttp.ClientSession) -> None:
    async with serving(tmp_path, **tokens(tmp_path)) as server:
        rig = Rig(server, session)
        assert await rig.post(WRAPPED, key="wrong") == (200, {"accepted": 0, "duplicates": 0})
        assert await rig.kept() == []


async def test_while_keys_are_missing_a_body_with_an_unknown_one_is_sent_back(
    tmp_path: Path, session: aiohttp.ClientSession
) -> None:
    source = HeldSource(table())
    source.loaded = Loaded(table=table(), complete=False)
    async with serving(tmp_path, source=source) as server:
        rig = Rig(server, session)
        assert (await rig.post(WRAPPED, key="of a client that is not loaded"))[0] == 503
        assert (await rig.post(b"{}", key="of a client that is not loaded"))[0] == 200


@pytest.mark.parametrize("receivers", [0, 1])
async def test_a_body_that_can_not_be_kept_is_503(
    tmp_path: Path, session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch, receivers: int
) -> None:
    async def refuse(_: object) -> int:
        raise JournalUnavailableError("the disk is full")

    async with serving(tmp_path, receivers=receivers, **tokens(tmp_path)) as server:
        rig = Rig(server, session)
        with monkeypatch.context() as full:
            full.setattr(server._journal.updates, "keep", refuse)
            assert (await rig.post(WRAPPED))[0] == 503
            assert (await rig.post(b"[" + UPDATE + b"," + WRAPPED + b"]"))[0] == 503
        status, found = await rig.post(b"[" + UPDATE + b"," + WRAPPED + b"]")
        assert (status, found) == (200, {"accepted": 0, "duplicates": 1, "unrecognised": 1})


@pytest.mark.parametrize(
    ("segment", "content", "kept"),
    [
        ("clickpost", b"[" + UPDATE + b', {"data": 1}, "text", {}, null, 5]', [b"5", b'"text"', b'{"data": 1}']),
        (
            "shipway",
            b'{"hash": "h-a-s-h", "status_feed": [{"awbno": "1", "current_status": "DEL"}, {"number": "2"}, "x"]}',
            [
                b'{"hash":"[redacted]","status_feed":["x"]}',
                b'{"hash":"[redacted]","status_feed":[{"number": "2"}]}',
            ],
        ),
    ],
)
async def test_what_of_a_batch_names_no_shipment_is_kept_and_the_rest_is_stored(
    tmp_path: Path, session: aiohttp.ClientSession, segment: str, content: bytes, kept: list[bytes]
) -> None:
    async with serving(tmp_path, **tokens(tmp_path)) as server:
        rig = Rig(server, session)
        status, answer = await rig.post(content, segment)
        assert (status, answer) == (200, {"accepted": 1, "duplicates": 0, "unrecognised": len(kept)})
        assert sorted(await rig.kept()) == sorted(kept)


async def test_very_many_objects_of_one_batch_are_kept_as_one_body(
    tmp_path: Path, session: aiohttp.ClientSession
) -> None:
    async with serving(tmp_path, **tokens(tmp_path)) as server:
        rig = Rig(server, session)
        others = [b'{"n": %d}' % number for number in range(500)]
        await rig.post(b"[" + b",".join([UPDATE, *others]) + b"]")
        assert await rig.kept() == [b"[" + b",".join(others) + b"]"]


@pytest.mark.parametrize(
    ("segment", "content", "kept"),
    [
        ("clickpost", b'{"data": "right-key-of-clickpost"}', b'{"data": "[redacted]"}'),
        (
            "clickpost",
            b'{"data": {"internal": {"key": "other-secret", "url": "https://x/notify/secret?key=1"}}}',
            b'{"data":{"internal":{"key":"[redacted]","url":"https://x/notify/[redacted]?key=[redacted]"}}}',
        ),
        (
            "shipway",
            b'[{"x": {"hash": "abc", "callback_url": "https://u:p@x/?token=t"}}]',
            b'[{"x":{"hash":"[redacted]","callback_url":"https://[redacted]@x/?token=[redacted]"}}]',
        ),
        ("st", b'{"note": "caf\xe9"}', b'{"note": "caf\xe9"}'),
        ("st", b'{"note": "caf\xe9 right-key-of-shiprocket"}', None),
        ("st", b"\xff\xfe" + '{"note": "right-key-of-shiprocket"}'.encode("utf-16-le"), None),
    ],
)
async def test_a_body_is_kept_byte_for_byte_but_for_its_secrets(
    tmp_path: Path, session: aiohttp.ClientSession, segment: str, content: bytes, kept: bytes | None
) -> None:
    async with serving(tmp_path, **tokens(tmp_path)) as server:
        rig = Rig(server, session)
        assert (await rig.post(content, segment, kind="text/plain"))[0] == 200
        (found,) = await rig.kept()
    if kept is not None:
        assert found == kept
    assert b"right-key" not in found.replace(b"\0", b"")


async def test_bodies_are_counted_and_logged_with_their_account_and_the_names_of_their_members_only(
    tmp_path: Path, session: aiohttp.ClientSession, log: StringIO
) -> None:
    strange = json.dumps(
        {"name\n\x1b[31m": "Rahul Verma", "right-key-of-clickpost": 1} | {f"m{n}": n for n in range(40)}
    )
    async with serving(tmp_path, **tokens(tmp_path)) as server:
        rig = Rig(server, session)
        for _ in range(20):
            await rig.post(strange.encode())
        await rig.post(RETURN_EVENT, "st")
        assert await rig.metric("trackpush_ingest_unrecognised_total") == 21
    lines = [json.loads(line) for line in log.getvalue().splitlines() if "body_unrecognised" in line]
    assert [(line["account"], line["held_back"]) for line in lines] == [("acme/clickpost", 0), ("acme/shiprocket", 0)]
    first, second = (line["members"] for line in lines)
    assert first[:3] == ["name\\n\\x1b[31m", "[redacted]", "m0"]
    assert (len(first), first[-1]) == (13, "and 30 more")
    assert "tracking_id" in second
    assert "Rahul" not in log.getvalue()
    assert "RETTRACK123" not in log.getvalue()


async def test_a_400_for_a_body_with_a_known_key_is_counted_and_logged_with_its_account(
    tmp_path: Path, session: aiohttp.ClientSession, log: StringIO
) -> None:
    async with serving(tmp_path, **tokens(tmp_path)) as server:
        rig = Rig(server, session)
        for content in (b'{"phone": 98765', b"payload=%7B%7D", b"<xml/>"):
            assert (await rig.post(content))[0] == 400
        assert (await rig.post(b"{", key="wrong"))[0] == 400
        assert await rig.metric("trackpush_ingest_malformed_total") == 3
        assert await rig.kept() == []
    (line,) = [json.loads(line) for line in log.getvalue().splitlines() if "body_malformed" in line]
    assert (line["account"], line["aggregator"]) == ("acme/clickpost", "clickpost")
    assert "98765" not in log.getvalue()


async def test_a_flood_of_one_client_drops_its_own_bodies_and_is_reported(
    tmp_path: Path, session: aiohttp.ClientSession, log: StringIO
) -> None:
    async with serving(tmp_path, **tokens(tmp_path)) as server:
        server._journal.inbox.bounds = InboxBounds(of_account=5)
        rig = Rig(server, session)
        await rig.post(RETURN_EVENT, "st")
        await asyncio.gather(*(rig.post(b'{"n": %d}' % number) for number in range(40)))
        counts = {account["account"]: account["bodies"] for account in (await rig.ask("/inbox"))["accounts"]}
        assert counts == {"acme/clickpost": 5, "acme/shiprocket": 1}
        async with session.get(f"http://{server.admin_address}/metrics") as answer:
            assert "trackpush_inbox_dropped_total 35.0" in await answer.text()
    (line,) = [json.loads(line) for line in log.getvalue().splitlines() if "inbox_full" in line]
    assert line["account"] == "acme/clickpost"


@EITHER_STORAGE
@pytest.mark.usefixtures("reads_wrapped")
async def test_a_retry_pushes_what_is_recognised_now_and_empties_the_inbox(
    tmp_path: Path, storage: Storage, session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_sink() as sink:
        source = HeldSource(_with_sink(storage, sink.url, ()))
        async with serving(tmp_path, source=source, **tokens(tmp_path)) as server:
            rig = Rig(server, session)
            with monkeypatch.context() as before:
                rig.read_by_older_rules(before)
                await rig.post(WRAPPED)
                await rig.post(b'{"still": "unknown"}')
            (unknown, wrapped) = (await rig.ask("/inbox"))["bodies"]
            source.loaded = Loaded(
                table=_with_sink(storage, sink.url, ("acme/push",))
            )  # only now: the current one counts
            await until(lambda: bool(_destinations(server)), seconds=30, what="the new table")
            view = await rig.retry(all=True)
            assert [(result.id, result.result, result.accepted) for result in view.results] == [
                (wrapped["id"], "recognised", 1),
                (unknown["id"], "still unrecognised", 0),
            ]
            assert await rig.kept() == [b'{"still": "unknown"}']
            await until(lambda: len(sink.arrivals) == 1, seconds=30, what="the push")
            push = json.loads(sink.arrivals[0].body)
            assert (push["shipment"]["awb"], push["status"]["code"]) == ("7020", "DELIVERED")
            assert push["receivedAt"] == wrapped["receivedAt"]
            again = await rig.retry(ids=(wrapped["id"],))
            assert [result.result for result in again.results] == ["gone"]


@pytest.mark.usefixtures("reads_wrapped")
async def test_a_body_that_is_older_than_max_age_is_pushed_all_the_same_and_says_when_it_came(
    tmp_path: Path, session: aiohttp.ClientSession
) -> None:
    came = int(time.time() - 5 * 86400) * 1000
    async with (
        open_sink() as sink,
        serving(tmp_path, _with_sink(Sqlite(), sink.url, ("acme/push",)), **tokens(tmp_path)) as server,
    ):
        rig = Rig(server, session)
        one = NewUnrecognised(
            account="acme/clickpost", aggregator="clickpost", received_at=came, content_type="", body=WRAPPED
        )
        await server._journal.updates.keep([one])
        assert (await rig.retry(all=True)).accepted == 1
        await until(lambda: len(sink.arrivals) == 1, seconds=30, what="the push")
        assert json.loads(sink.arrivals[0].body)["receivedAt"] == rfc3339(came)


@EITHER_STORAGE
@pytest.mark.usefixtures("reads_wrapped")
async def test_a_retry_that_was_cut_between_storing_and_deleting_stores_nothing_twice(
    tmp_path: Path, storage: Storage, session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    timeless = b'{"data": {"waybill": "7021", "clickpost_status_code": 8}}'
    later = b'{"waybill": "7021", "clickpost_status_code": 5}'

    async def killed(_: object) -> int:
        raise JournalUnavailableError("killed here")

    async with serving(tmp_path, table(storage=storage), **tokens(tmp_path)) as server:
        rig = Rig(server, session)
        with monkeypatch.context() as before:
            rig.read_by_older_rules(before)
            await rig.post(WRAPPED)
            await rig.post(timeless)
        for path in [f"/inbox/{body['id']}" for body in (await rig.ask("/inbox"))["bodies"]]:
            with monkeypatch.context() as cut:
                cut.setattr(server._journal.inbox, "forget", killed)
                view = server._operations.retries.start(InboxRetryRequest(ids=(path.rpartition("/")[2],)))
                await until(lambda view=view: view.state == "failed", seconds=30, what=lambda view=view: str(view))
        await rig.post(later)
        view = await rig.retry(all=True)
        assert (view.recognised, view.accepted, view.duplicates) == (2, 0, 2)
        assert await rig.kept() == []
        assert len((await rig.ask("/shipments/7020"))["updates"]) == 1
        assert len((await rig.ask("/shipments/7021"))["updates"]) == 2


@pytest.mark.usefixtures("reads_wrapped")
async def test_parts_of_a_batch_that_are_still_unknown_stay_as_entries_of_their_own(
    tmp_path: Path, session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(tmp_path, **tokens(tmp_path)) as server:
        rig = Rig(server, session)
        with monkeypatch.context() as before:
            rig.read_by_older_rules(before)
            await rig.post(b"[" + WRAPPED.strip() + b', {"still": "unknown"}]')
        received = (await rig.ask("/inbox"))["bodies"][0]["receivedAt"]
        (result,) = (await rig.retry(account="acme/clickpost")).results
        assert (result.result, result.accepted, result.kept) == ("recognised", 1, 1)
        assert await rig.kept() == [b'{"still": "unknown"}']
        assert (await rig.ask("/inbox"))["bodies"][0]["receivedAt"] == received


async def test_a_retry_says_why_a_body_stays(tmp_path: Path, session: aiohttp.ClientSession) -> None:
    source = HeldSource(table())
    async with serving(tmp_path, source=source, **tokens(tmp_path)) as server:
        rig = Rig(server, session)
        await rig.post(RETURN_EVENT, "st")
        source.loaded = Loaded(table=table(account(Aggregator.CLICKPOST, "k")))
        await until(lambda: len(_table(server).accounts) == 1, seconds=30, what="the new table")
        (result,) = (await rig.retry(client="acme")).results
        assert result.result == "no account"
        assert "acme/shiprocket is not in the configuration that is served" in (result.reason or "")


async def test_a_retry_reads_bodies_by_the_present_definition_and_says_when_it_is_gone(
    tmp_path: Path, session: aiohttp.ClientSession
) -> None:
    own = account(NAME, "k")
    old = definition(spec=definition().spec.replace("waybill", "awb"))
    source = HeldSource(table(own, definitions=[old]))
    async with serving(tmp_path, source=source, **tokens(tmp_path)) as server:
        rig = Rig(server, session)
        assert (await rig.post(body(), NAME, "k"))[1]["unrecognised"] == 1
        source.loaded = Loaded(table=table(own))
        await until(lambda: not _table(server).server.definitions, seconds=30, what="the table without the definition")
        (result,) = (await rig.retry(all=True)).results
        assert result.result == "no definition"
        assert "no AggregatorDefinition parcelkit is served" in (result.reason or "")
        source.loaded = Loaded(table=table(own, definitions=[definition()]))
        await until(lambda: bool(_table(server).server.definitions), seconds=30, what="the new definition")
        (result,) = (await rig.retry(all=True)).results
        assert (result.result, result.accepted) == ("recognised", 1)


async def test_a_retry_is_in_the_audit_log_and_needs_the_role_operate(
    tmp_path: Path, session: aiohttp.ClientSession
) -> None:
    async with serving(tmp_path, **tokens(tmp_path)) as server:
        rig = Rig(server, session)
        refused = await rig.ask("/inbox/retries", token=VIEW, method="POST", request={"all": True})
        assert refused["status"] == 403
        nothing = await rig.ask("/inbox/retries", method="POST", request={})
        assert (nothing["status"], "name what to retry" in nothing["detail"]) == (400, True)
        job = await rig.ask("/inbox/retries", method="POST", request={"account": "acme/clickpost"})
        assert (await rig.ask("/inbox/retries"))["retries"][0]["id"] == job["id"]
        (audit,) = (await rig.ask("/audits"))["audits"]
        assert (audit["action"], audit["target"]) == ("inbox.retry", "account acme/clickpost")


async def test_the_role_view_sees_the_shape_of_a_body_and_no_value(
    tmp_path: Path, session: aiohttp.ClientSession
) -> None:
    async with serving(tmp_path, **tokens(tmp_path)) as server:
        rig = Rig(server, session)
        await rig.post(WRAPPED)
        await rig.post(b'{"name": "Rahul \xe9"}')
        for body in (await rig.ask("/inbox", token=VIEW))["bodies"]:
            seen = await rig.ask(f"/inbox/{body['id']}", token=VIEW)
            assert (seen["masked"], seen["bodyBase64"]) == (True, None)
            assert not {"7020", "Rahul"} & set(json.dumps(seen).replace('"', " ").split())
            plain = await rig.ask(f"/inbox/{body['id']}")
            assert (plain["masked"], plain["body"] is not None) == (False, True)


@EITHER_STORAGE
@pytest.mark.parametrize(
    ("subject", "left"),
    [
        ({"awb": "7020"}, [b'{"x": "7\\u0030\\u0032"}', b'{"other": 1}']),
        ({"client": "acme"}, [b'{"other": 1}']),
        ({"client": "zen", "awb": "7020"}, 4),
    ],
)
async def test_an_erasure_takes_the_bodies_of_a_client_and_those_that_hold_the_awb(
    tmp_path: Path, storage: Storage, session: aiohttp.ClientSession, subject: dict[str, str], left: Any
) -> None:
    given = table(
        account(Aggregator.CLICKPOST, "k"), account(Aggregator.CLICKPOST, "z", name="zen/clickpost"), storage=storage
    )
    async with serving(tmp_path, given, **tokens(tmp_path)) as server:
        rig = Rig(server, session)
        await rig.post(b'{"other": 1}', key="z")
        for content in (WRAPPED, b'{"x": "7\\u0030\\u0032\\u0030"}', b'{"x": "7\\u0030\\u0032"}'):
            await rig.post(content, key="k")
        job = await rig.ask("/erasures", method="POST", request=subject)
        job = await until_found(lambda: rig.ask(f"/erasures/{job['id']}"), lambda found: found["state"] != "running")
        assert job["state"] == "done", job
        kept = await rig.kept()
        assert (len(kept) if isinstance(left, int) else kept) == left
        assert job["unrecognised"] == 4 - len(kept)


async def test_bodies_are_sealed_where_the_journal_is_and_go_after_their_retention(
    tmp_path: Path, session: aiohttp.ClientSession
) -> None:
    given = table()
    sealed = msgspec.structs.replace(given.server, encryption=Encryption(keys=(b"k" * 32,)))
    source = HeldSource(msgspec.structs.replace(given, server=sealed))
    async with serving(tmp_path, source=source, **tokens(tmp_path)) as server:
        rig = Rig(server, session)
        await rig.post(WRAPPED)
        assert await rig.kept() == [WRAPPED]
        files = [path.read_bytes() for path in (tmp_path / "data").iterdir() if path.is_file()]
        assert not any(b"waybill" in content for content in files)
        short = msgspec.structs.replace(sealed, retention=Retention(unrecognised=0.001))
        source.loaded = Loaded(table=msgspec.structs.replace(given, server=short))
        await until_found(rig.kept, lambda kept: not kept)


def _with_sink(storage: Storage, url: str, destinations: tuple[str, ...]) -> RoutingTable:
    return table(
        account(Aggregator.CLICKPOST, "right-key-of-clickpost", destinations=destinations),
        destinations=[Destination(name="acme/push", url=url)],
        storage=storage,
    )


def _table(server: Server) -> RoutingTable:
    found = server._watcher.table
    assert found is not None
    return found


def _destinations(server: Server) -> tuple[str, ...]:
    return _table(server).accounts[0].destinations
