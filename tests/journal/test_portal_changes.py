"""Every adapter stores the portal's changes, deletes their credentials when they end, and bounds their number."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from journal.stores import NOW, Store, sealing, sqlite_store
from trackpush_server.journal.portal_changes import (
    MOST_KEPT,
    MOST_WAITING,
    SUPERSEDED,
    TOO_OLD,
    ChangeState,
    NewChange,
    TooManyChangesError,
)

SECRET = b'{"headers":[{"name":"X-Key","value":"a-credential-of-acme"}]}'


def asked(number: int, **fields: Any) -> NewChange:
    base = NewChange(
        id=f"chg_{number:032x}",
        client="acme",
        namespace_uid="u-1",
        push_config="oms",
        created_at=NOW + number,
        content=SECRET,
    )
    return msgspec.structs.replace(base, **fields)


def content(folder: Path) -> bytes:
    """Everything in the journal's files."""
    return b"".join(file.read_bytes() for file in folder.iterdir() if file.is_file())


async def states(opened: Any, client: str = "acme", uid: str = "u-1") -> list[tuple[int, str]]:
    rows = await opened.journal.portal_changes.recent(client, namespace_uid=uid, limit=100)
    return [(int(row.id[4:], 16), row.state.value) for row in rows]


async def test_a_waiting_change_survives_a_restart_with_its_content(store: Store) -> None:
    async with store.open() as opened:
        await opened.journal.portal_changes.add(asked(1))
    async with store.open() as opened:
        (found,) = await opened.journal.portal_changes.waiting(limit=10)
    assert (found.row.id, found.row.client, found.row.namespace_uid, found.row.push_config) == (
        asked(1).id, "acme", "u-1", "oms",
    )  # fmt: skip
    assert (found.row.state, found.content, found.unreadable) == (ChangeState.WAITING, SECRET, None)


async def test_a_change_that_ended_keeps_its_first_outcome_and_no_content(store: Store) -> None:
    async with store.open() as opened:
        changes = opened.journal.portal_changes
        await changes.add(asked(1))
        first = await changes.settle(asked(1).id, ChangeState.REFUSED, "the URL is wrong", now=NOW + 5)
        again = await changes.settle(asked(1).id, ChangeState.APPLIED, "", now=NOW + 6)
        assert first == again
        assert first is not None
        assert (first.state, first.message, first.ended_at) == (ChangeState.REFUSED, "the URL is wrong", NOW + 5)
        assert await changes.waiting(limit=10) == ()
        assert await changes.settle("chg_" + "f" * 32, ChangeState.APPLIED, "", now=NOW) is None


async def test_a_newer_change_supersedes_the_waiting_one_of_its_push_config_only(store: Store) -> None:
    async with store.open() as opened:
        changes = opened.journal.portal_changes
        await changes.add(asked(1))
        await changes.add(asked(2, push_config="crm"))
        await changes.add(asked(3, client="zen"))
        await changes.add(asked(4))
        assert await states(opened) == [(4, "waiting"), (2, "waiting"), (1, "superseded")]
        assert [found.row.id for found in await changes.waiting(limit=10)] == [asked(n).id for n in (2, 3, 4)]
        (old,) = [row for row in await changes.recent("acme", namespace_uid="u-1", limit=9) if row.ended_at]
        assert old.message == SUPERSEDED


async def test_a_client_can_have_a_bounded_number_of_changes(store: Store) -> None:
    async with store.open() as opened:
        changes = opened.journal.portal_changes
        for number in range(MOST_WAITING):
            await changes.add(asked(number, push_config=f"p{number}"))
        with pytest.raises(TooManyChangesError):
            await changes.add(asked(90, push_config="another"))
        await changes.add(asked(91, push_config="p0"))  # it replaces one
        await changes.add(asked(92, client="zen"))
        for number in range(100, 100 + MOST_KEPT + 5):
            await changes.add(asked(number, push_config="p0"))
        found = await states(opened)
        assert len(found) <= MOST_KEPT + MOST_WAITING
        assert [state for _, state in found].count("waiting") == MOST_WAITING
        assert await states(opened, "zen") == [(92, "waiting")]


async def test_changes_at_once_do_not_exceed_the_bound(store: Store) -> None:
    async with store.open() as opened:
        changes = opened.journal.portal_changes
        ends = await asyncio.gather(
            *(changes.add(asked(number, push_config=f"p{number}")) for number in range(MOST_WAITING + 4)),
            return_exceptions=True,
        )
        assert [type(end) for end in ends if end is not None] == [TooManyChangesError] * 4


async def test_a_change_that_nobody_applies_is_refused_and_its_credentials_are_deleted(store: Store) -> None:
    async with store.open() as opened:
        changes = opened.journal.portal_changes
        await changes.add(asked(1))
        await changes.add(asked(2, push_config="crm"))
        assert await changes.expire(before=NOW + 2, now=NOW + 9) == 1
        assert await changes.expire(before=NOW + 2, now=NOW + 9) == 0
        rows = await changes.recent("acme", namespace_uid="u-1", limit=9)
        assert [(row.state.value, row.message, row.ended_at) for row in rows] == [
            ("waiting", "", None), ("refused", TOO_OLD, NOW + 9),
        ]  # fmt: skip


async def test_a_namespace_of_the_same_name_does_not_see_the_changes_of_the_former_one(store: Store) -> None:
    async with store.open() as opened:
        await opened.journal.portal_changes.add(asked(1))
        assert await states(opened, uid="u-2") == []


async def test_an_encrypted_journal_stores_no_credential_in_plain_text(tmp_path: Path) -> None:
    sealed = sqlite_store(tmp_path, sealer=sealing(b"k" * 32))
    async with sealed.open() as opened:
        await opened.journal.portal_changes.add(asked(1))
        files = content(tmp_path)
        assert asked(1).id.encode() in files
        assert b"a-credential-of-acme" not in files
    async with sealed.open(sealer=sealing(b"x" * 32)) as opened:
        (found,) = await opened.journal.portal_changes.waiting(limit=1)
        assert found.content == b""
        assert found.unreadable is not None
        assert "spec.encryption.keys" in found.unreadable


async def test_a_plain_journal_keeps_no_credential_after_the_change_has_ended(tmp_path: Path) -> None:
    plain = sqlite_store(tmp_path)
    async with plain.open() as opened:
        await opened.journal.portal_changes.add(asked(1))
        await opened.journal.portal_changes.settle(asked(1).id, ChangeState.APPLIED, "", now=NOW)
    assert b"a-credential" not in content(tmp_path)
