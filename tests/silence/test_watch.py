"""The watch of a server: what it stores, what it knows after a restart, and what clocks do to it."""

import contextlib
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from journal.stores import Opened, Store, postgres_store, sqlite_store, update
from support.deadline import until
from trackpush_api.routing import Account, Tenant
from trackpush_server.journal.last_updates import LastUpdates
from trackpush_server.journal.model import JournalUnavailableError
from trackpush_server.silence.activity import AccountActivity, ActivityState
from trackpush_server.silence.watch import SilenceWatch

HOUR = 3600.0
NOON = 1_760_000_000.0
ACME, ZEN = "acme/clickpost", "zen/shipway"


def account(name: str = ACME, *, uid: str | None = None, expect_every: float | None = 6 * HOUR) -> Account:
    tenant = None if uid is None else Tenant(uid=uid)
    return Account(name=name, aggregator="Clickpost", key_digests=(), expect_every=expect_every, tenant=tenant)


class Running:
    """A watch on an opened journal, with a clock that the test sets."""

    def __init__(self, opened: Opened, *, now: float = NOON) -> None:
        self.opened = opened
        self.now = now
        self.reports = 0
        self.watch = SilenceWatch(self, wall=lambda: self.now)

    async def serve(self, accounts: Sequence[str], *, now: int, again: bool) -> None:
        await self.opened.journal.last_updates.serve(accounts, now=now, again=again)

    async def listen(self, *, now: int) -> LastUpdates:
        found = await self.opened.journal.last_updates.listen(now=now)
        self.reports += 1
        return found

    async def take(self, *accounts: Account, complete: bool = True) -> None:
        """Take a table, and wait for the report that follows."""
        before = self.reports
        self.watch.take(self.watch.prepare(accounts), complete=complete)
        await until(lambda: self.reports > before, seconds=20, what="the watch reports to the journal")
        await until(
            lambda: all(found.state != "unknown" for found in self.watch.all()), seconds=20, what="states are known"
        )

    async def put(self, *, name: str = ACME, at: float | None = None) -> None:
        await self.opened.put(update(account=name, received_at=int((self.now if at is None else at) * 1000)))

    def state(self, name: str = ACME) -> ActivityState | None:
        found = self.watch.of(name)
        return None if found is None else found.state

    def last(self, name: str = ACME) -> float | None:
        found = self.watch.of(name)
        return None if found is None or found.last_update is None else found.last_update / 1000


class Watched:
    """Opens a journal with a watch, as often as a server would be restarted."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.now = NOON

    @contextlib.asynccontextmanager
    async def run(self, *accounts: Account) -> AsyncIterator[Running]:
        async with self.store.open() as opened:
            running = Running(opened, now=self.now)
            opened.journal.subscribe(running.watch.listener)
            async with running.watch.running():
                await running.take(*accounts)
                yield running


@pytest.fixture(params=[pytest.param("postgres", marks=pytest.mark.postgres), "sqlite"])
def watched(request: pytest.FixtureRequest, tmp_path: Path) -> Watched:
    if request.param == "postgres":
        return Watched(postgres_store(request.getfixturevalue("journal_dsn")))
    return Watched(sqlite_store(tmp_path / "data"))


async def test_an_update_is_seen_at_once_and_its_time_survives_a_restart(watched: Watched) -> None:
    async with watched.run(account()) as running:
        assert (running.state(), running.last()) == ("waiting", None)
        await running.put()
        assert (running.state(), running.last()) == ("receiving", NOON)
    watched.now = NOON + 300
    async with watched.run(account()) as running:
        assert (running.state(), running.last()) == ("receiving", NOON)
        running.now = NOON + 6 * HOUR + 121
        # Between the two reports lies more than the longest pause: the server did not run.
        assert running.state() == "receiving"


async def test_silence_is_noticed_while_the_server_runs(watched: Watched) -> None:
    async with watched.run(account(), account(ZEN)) as running:
        await running.put()
        with capture_logs() as logs:
            for _ in range(75):
                running.now += 300.0
                await running.put(name=ZEN)
                await running.take(account(), account(ZEN))
        assert [(line["event"], line["account"]) for line in logs] == [("account_silent", ACME)]
        found = running.watch.of(ACME)
        assert found is not None
        assert (found.state, found.silent_since) == ("silent", int(NOON * 1000))
        assert running.state(ZEN) == "receiving"
        await running.put()
        assert running.state() == "receiving"


async def test_a_restart_does_not_give_an_account_more_time(watched: Watched) -> None:
    """An account that never sends is reported, however often the server restarts."""
    states = []
    for _ in range(15):
        watched.now += 540.0
        async with watched.run(account(expect_every=7000.0)) as running:
            states.append(running.state())
    assert states == ["waiting"] * 14 + ["silent"]


async def test_a_server_that_was_down_for_long_reports_nobody_when_it_starts(watched: Watched) -> None:
    async with watched.run(account(), account(ZEN)) as running:
        await running.put()
    watched.now += 60 * HOUR
    async with watched.run(account(), account(ZEN)) as running:
        assert (running.state(), running.state(ZEN)) == ("receiving", "waiting")
        assert running.last() == NOON


async def test_a_clock_that_steps_forward_makes_nobody_silent(watched: Watched) -> None:
    async with watched.run(account()) as running:
        await running.put()
        running.now += 1000 * HOUR
        assert running.state() == "receiving"
        await running.take(account())
        assert running.state() == "receiving"


async def test_after_a_clock_stepped_back_silence_is_noticed_by_the_right_time(watched: Watched) -> None:
    watched.now = NOON + 1000 * HOUR
    async with watched.run(account()) as running:
        await running.put()
        running.now = NOON
        await running.take(account())
        assert (running.state(), running.last()) == ("receiving", NOON)
        for _ in range(75):
            running.now += 300.0
            await running.take(account())
        assert running.state() == "silent"


async def test_an_account_that_was_deleted_and_created_again_begins_again(watched: Watched) -> None:
    async with watched.run(account(), account(ZEN)) as running:
        await running.put()
        for _ in range(75):
            running.now += 300.0
            await running.take(account(), account(ZEN))
        assert running.state() == "silent"
        await running.take(account(ZEN))
        assert running.state() is None
        await running.take(account(), account(ZEN))
        assert (running.state(), running.state(ZEN)) == ("receiving", "silent")
        assert running.last() == NOON


async def test_a_client_that_is_missing_for_a_moment_does_not_begin_again(watched: Watched) -> None:
    """The first swap of a table lacks clients that are not bound to their namespaces yet."""
    async with watched.run(account(), account(ZEN)) as running:
        await running.put()
        for _ in range(75):
            running.now += 300.0
            await running.take(account(), account(ZEN))
        await running.take(account(ZEN), complete=False)
        await running.take(account(), account(ZEN))
        assert running.state() == "silent"


async def test_the_last_update_of_a_deleted_account_is_forgotten_unless_the_table_is_incomplete(
    watched: Watched,
) -> None:
    """Otherwise, a server whose clients come and go would need more memory every day."""
    async with watched.run(account(), account(ZEN)) as running:
        await running.put()
        await running.put(name=ZEN)
        await running.take(account(ZEN), complete=False)
        assert running.watch._arrived.keys() == {ACME, ZEN}
        await running.take(account(ZEN))
        assert running.watch._arrived.keys() == {ZEN}


async def test_an_account_of_a_new_namespace_of_the_same_name_has_no_last_update(watched: Watched) -> None:
    async with watched.run(account(uid="u-1")) as running:
        await running.opened.journal.tenants.bind({"acme": (Tenant(uid="u-1"),)})
        await running.put()
        await running.opened.journal.tenants.bind({"acme": (Tenant(uid="u-2"),)})
        await running.take(account(uid="u-2"))
        assert (running.state(), running.last()) == ("waiting", None)


async def test_while_the_journal_is_unavailable_nobody_becomes_silent(watched: Watched) -> None:
    async with watched.run(account()) as running:
        await running.put()
        running.now += 7 * HOUR
        assert running.state() == "receiving"


@pytest.mark.postgres
async def test_replicas_know_each_others_updates(journal_dsn: str) -> None:
    store = postgres_store(journal_dsn)
    async with Watched(store).run(account()) as running, Watched(store).run(account()) as other:
        await other.put()
        assert running.last() is None
        await running.take(account())
        assert running.last() == NOON


async def test_the_watch_continues_after_the_journal_could_not_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trackpush_server.silence.watch._AFTER_FAULT", 0.001)
    async with sqlite_store(tmp_path / "data").open() as opened:
        running = Running(opened)
        faults: list[Exception] = [JournalUnavailableError("full"), RuntimeError("a fault of ours")]
        listen = running.listen

        async def failing(*, now: int) -> LastUpdates:
            if faults:
                raise faults.pop()
            return await listen(now=now)

        monkeypatch.setattr(running, "listen", failing)
        with capture_logs() as logs:  # rendering a traceback reads files, which blocks
            async with running.watch.running():
                running.watch.take(running.watch.prepare([account()]), complete=True)
                assert running.state() == "unknown"
                await running.take(account())
                assert running.state() == "waiting"
        assert [line["event"] for line in logs] == ["silence_watch_failed"]


async def test_a_report_computes_the_activity_of_all_accounts_in_a_thread(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = []
    compute = SilenceWatch.all

    def spied(watch: SilenceWatch) -> tuple[AccountActivity, ...]:
        threads.append(threading.current_thread())
        return compute(watch)

    async with watched.run(account()) as running:
        await until(lambda: running.reports > 0, seconds=20, what="the first report")
        monkeypatch.setattr(SilenceWatch, "all", spied)
        running.watch.take(running.watch.prepare([account()]), complete=True)
        await until(lambda: bool(threads), seconds=20, what="the next report")
        assert [found.name for found in await running.watch.read()] == [ACME]
    assert threading.main_thread() not in threads
