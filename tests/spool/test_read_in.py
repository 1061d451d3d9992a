"""The journal's owner reads the spool in: in order, once, and before what it receives itself."""

import asyncio
import os
from io import StringIO
from pathlib import Path

import msgspec
import pytest
import structlog

from spool.given import ACCOUNT, NOW, Owner, owner, parsed, spool, tracking
from support.deadline import until
from support.serving import table
from trackpush_aggregators import Leftover
from trackpush_api.routing import Encryption, Tenant
from trackpush_api.vocabulary import Status
from trackpush_server import logs
from trackpush_server.journal.copying.records import TransferError
from trackpush_server.journal.model import JournalUnavailableError, NewUpdate
from trackpush_server.journal.sealing import Sealer
from trackpush_server.journal.sqlite.copying import SqliteSource
from trackpush_server.receiver.filters import FilterSelection
from trackpush_server.receiver.intake import intake

PICKED, TRANSIT, OUT, DELIVERED = (
    Status.PICKED_UP,
    Status.IN_TRANSIT,
    Status.OUT_FOR_DELIVERY,
    Status.DELIVERED,
)


def direct(status: Status, second: int) -> tuple[NewUpdate, ...]:
    """The update as the server itself stores it."""
    selection = FilterSelection(ACCOUNT, table(ACCOUNT))
    return intake(ACCOUNT, selection, (tracking("S", status, second=second),), NOW, nonce=lambda: b"").updates


def interrupt(run: Owner) -> None:
    """Leave what was taken as a crash before the end would."""
    run.files.discard = lambda: None  # type: ignore[method-assign]


async def test_what_was_spooled_is_stored_before_what_comes_directly(tmp_path: Path, sealer: Sealer) -> None:
    async with owner(tmp_path / "data", sealer) as run:
        await spool(tmp_path / "data", sealer, parsed(tracking("S", PICKED)), parsed(tracking("S", TRANSIT, second=1)))
        assert await run.log.append(direct(OUT, 2)) == 1
        await spool(tmp_path / "data", sealer, parsed(tracking("S", DELIVERED, second=3)))
        await run.log.settle()
        assert run.statuses == [PICKED, TRANSIT, OUT, DELIVERED]
        assert not any(committed.late for committed in run.committed)
        assert [committed.update.received_at for committed in run.committed] == [NOW, NOW + 1, NOW, NOW]


async def test_many_direct_appends_share_one_reading_and_keep_their_order(tmp_path: Path, sealer: Sealer) -> None:
    async with owner(tmp_path / "data", sealer) as run:
        await spool(tmp_path / "data", sealer, parsed(tracking("S", PICKED)))
        parts: list[bool] = []
        discard = run.files.discard

        def discard_while_more_arrives() -> None:
            discard()
            parts.append(True)
            run.files.append([b"\n"])

        run.files.discard = discard_while_more_arrives  # type: ignore[method-assign]
        appends = [run.log.append(direct(status, 1 + at)) for at, status in enumerate((TRANSIT, OUT, DELIVERED))]
        assert await asyncio.gather(*appends) == [1, 1, 1]
        assert run.statuses == [PICKED, TRANSIT, OUT, DELIVERED]
        assert len(parts) == 1


async def test_a_second_read_after_a_crash_stores_nothing_twice_not_even_updates_without_a_time(
    tmp_path: Path, sealer: Sealer
) -> None:
    requests = [parsed(tracking("S", status, second=None)) for status in (OUT, DELIVERED, OUT)]
    await spool(tmp_path / "data", sealer, *requests, parsed(tracking("S", TRANSIT)))
    async with owner(tmp_path / "data", sealer) as run:
        interrupt(run)
        await run.log.settle()
        assert run.statuses == [OUT, DELIVERED, OUT, TRANSIT]
    async with owner(tmp_path / "data", sealer) as run:
        assert run.files.has_taken
        await run.log.settle()
        assert run.statuses == []
        assert not run.files.has_taken
        assert run.log.append(direct(PICKED, 9)) is not None
        assert run.registry.get_sample_value("trackpush_updates_total", DUPLICATES) == 4


DUPLICATES = {"aggregator": "clickpost", "result": "duplicate"}


async def test_what_a_standby_and_the_server_both_got_is_stored_once(tmp_path: Path, sealer: Sealer) -> None:
    async with owner(tmp_path / "data", sealer) as run:
        assert await run.log.append(direct(OUT, 2)) == 1
        await spool(tmp_path / "data", sealer, parsed(tracking("S", OUT, second=2)))
        await run.log.settle()
        assert run.statuses == [OUT]


async def test_unrecognised_bodies_reach_the_inbox(tmp_path: Path, sealer: Sealer) -> None:
    leftover = Leftover(body=b'{"hello": 1}', content_type="application/json", names=("hello",))
    await spool(tmp_path / "data", sealer, parsed(leftovers=(leftover,)))
    async with owner(tmp_path / "data", sealer) as run:
        await run.log.settle()
        (count,) = await run.journal.search.count_unrecognised()
        assert (count.account, count.entries) == (ACCOUNT.name, 1)


async def test_updates_of_an_account_that_was_deleted_meanwhile_are_stored_with_their_pushes(
    tmp_path: Path, sealer: Sealer
) -> None:
    await spool(tmp_path / "data", sealer, parsed(tracking("S", OUT)))
    async with owner(tmp_path / "data", sealer) as run:
        run.table = table(msgspec.structs.replace(ACCOUNT, name="other/clickpost"))
        await run.log.settle()
        (committed,) = run.committed
        assert committed.update.account == ACCOUNT.name
        assert [push.push_config for push in committed.update.pushes] == ["acme/push"]


@pytest.mark.parametrize(
    ("now", "name", "push_config"),
    [
        (Tenant(uid="2"), "acme@1/clickpost", "acme@1/push"),
        (Tenant(uid="2", takes_over="1"), "acme/clickpost", "acme/push"),
        (Tenant(uid="1"), "acme/clickpost", "acme/push"),
    ],
    ids=["created again", "takes over", "the same"],
)
async def test_an_update_goes_to_no_namespace_that_was_created_again_since(
    tmp_path: Path, sealer: Sealer, now: Tenant, name: str, push_config: str
) -> None:
    then = msgspec.structs.replace(ACCOUNT, tenant=Tenant(uid="1"))
    await spool(tmp_path / "data", sealer, parsed(tracking("S", OUT)), of=then)
    async with owner(tmp_path / "data", sealer) as run:
        run.table = table(msgspec.structs.replace(ACCOUNT, tenant=now))
        await run.log.settle()
        (committed,) = run.committed
        assert committed.update.account == name
        assert [push.push_config for push in committed.update.pushes] == [push_config]


async def test_a_damaged_line_is_kept_aside_and_reported_and_the_others_are_stored(
    tmp_path: Path, sealer: Sealer
) -> None:
    stream = StringIO()
    logs.configure("json", stream)
    await spool(tmp_path / "data", sealer, parsed(tracking("S", PICKED)))
    with (tmp_path / "data" / "spool" / "arrivals").open("ab") as file:
        file.write(b"\n00000000 damaged")
    await spool(tmp_path / "data", sealer, parsed(tracking("S", OUT, second=1)))
    async with owner(tmp_path / "data", sealer) as run:
        await run.log.settle()
        assert run.statuses == [PICKED, OUT]
        assert run.rejected.split() == [b"00000000", b"damaged"]
        assert run.registry.get_sample_value("trackpush_spool_rejected_total") == 1
    structlog.reset_defaults()
    assert "spool_rejected" in stream.getvalue()
    assert "the line is incomplete or damaged" in stream.getvalue()


async def test_a_rejected_line_can_be_appended_again_when_its_key_is_back(tmp_path: Path) -> None:
    sealed, plain = Sealer(os.urandom, Encryption(keys=(b"k" * 32,))), Sealer(os.urandom)
    await spool(tmp_path / "data", sealed, parsed(tracking("S", PICKED)))
    async with owner(tmp_path / "data", plain) as run:
        await run.log.settle()
        assert run.statuses == []
        (run.files.folder / "rejected").rename(run.files.folder / "arrivals")
    async with owner(tmp_path / "data", sealed) as run:
        await run.log.settle()
        assert run.statuses == [PICKED]


async def test_while_the_table_is_not_ready_nothing_is_read_in_and_nothing_overtakes(
    tmp_path: Path, sealer: Sealer
) -> None:
    await spool(tmp_path / "data", sealer, parsed(tracking("S", PICKED)))
    async with owner(tmp_path / "data", sealer) as run:
        whole, run.table = run.table, None
        with pytest.raises(JournalUnavailableError, match="routing table isn't ready"):
            await run.log.append(direct(OUT, 2))
        run.table = whole
        assert await run.log.append(direct(OUT, 2)) == 1
        assert run.statuses == [PICKED, OUT]


async def test_while_the_journal_is_unavailable_the_spool_stays_and_is_read_in_later(
    tmp_path: Path, sealer: Sealer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await spool(tmp_path / "data", sealer, parsed(tracking("S", PICKED)))
    async with owner(tmp_path / "data", sealer) as run:
        monkeypatch.setattr(run.journal._queue, "unavailable", "the disk is full")
        with pytest.raises(JournalUnavailableError, match="disk is full"):
            await run.log.settle()
        monkeypatch.undo()
        async with run.log.running():
            await until(lambda: run.statuses == [PICKED], seconds=10, what=lambda: str(run.statuses))
        assert run.rejected == b""


async def test_values_that_the_journal_refuses_are_kept_aside_alone(
    tmp_path: Path, sealer: Sealer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trackpush_server.spool.read_in._AGAIN", 0.0)
    await spool(
        tmp_path / "data",
        sealer,
        *(parsed(tracking("S", status, second=at)) for at, status in enumerate((PICKED, OUT, DELIVERED))),
    )
    async with owner(tmp_path / "data", sealer) as run:
        store = run.journal.updates.append

        def refuses(updates: tuple[NewUpdate, ...]) -> asyncio.Future[int]:
            if any(update.status == OUT for update in updates):
                raise JournalUnavailableError("a value")
            return store(updates)

        monkeypatch.setattr(run.journal.updates, "append", refuses)
        await run.log.settle()
        assert run.statuses == [PICKED, DELIVERED]
        assert len(run.rejected.split(b"\n\n")) == 1


async def test_a_journal_without_a_spool_is_used_directly(tmp_path: Path, sealer: Sealer) -> None:
    async with owner(tmp_path / "data", sealer) as run:
        await run.log.settle()
        assert not run.files.folder.exists()
        assert not isinstance(run.log.append(direct(OUT, 1)), asyncio.Task)


async def test_a_journal_is_not_copied_while_its_spool_has_updates_that_it_lacks(
    tmp_path: Path, sealer: Sealer
) -> None:
    data = tmp_path / "data"
    async with owner(data, sealer):
        pass
    await spool(data, sealer, parsed(tracking("S", PICKED)))
    source = SqliteSource(data)
    with pytest.raises(TransferError, match=r"spool/arrivals has requests that a standby answered"):
        await source.open()
    async with owner(data, sealer) as run:
        await run.log.settle()
    await source.open()
    await source.close()
