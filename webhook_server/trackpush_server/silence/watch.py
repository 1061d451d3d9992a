"""Keeps the times of accounts' last updates in memory, and stores once a minute that the server can receive updates."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import structlog

from trackpush_aggregators.updates import rfc3339
from trackpush_api.routing import Account
from trackpush_runtime.background import Background
from trackpush_server.journal.last_updates import AccountTimes, LastUpdates, later, listened
from trackpush_server.journal.listener import JournalListener
from trackpush_server.journal.model import JournalUnavailableError
from trackpush_server.journal.ports import LastUpdateStore
from trackpush_server.silence.activity import AccountActivity, activity

_EVERY: Final = 60.0
"""Seconds between two reports to the journal. Each reads the times that other replicas stored."""
_AFTER_FAULT: Final = 5.0
_MOST_LOGGED: Final = 20
"""Accounts that one report logs by name."""
_NOTHING: Final = AccountTimes()

_log = structlog.get_logger("trackpush.silence")


class NewAccounts(NamedTuple):
    """The accounts of a new routing table, compared with those that are watched."""

    accounts: dict[str, Account]
    names: frozenset[str]
    replaced: tuple[str, ...]
    """Accounts whose namespace was deleted and created again."""
    added: frozenset[str]
    """Accounts that are not in the last complete table."""


class SilenceWatch(Background):
    """The accounts of one server. Subscribe `listener`; call `prepare` and `take` for each table."""

    def __init__(self, store: LastUpdateStore, *, wall: Callable[[], float] = time.time) -> None:
        self._store = store
        self._wall = wall
        self._accounts: dict[str, Account] = {}
        self._stored: LastUpdates | None = None
        self._arrived: dict[str, int] = {}
        """By account: when the latest update arrived at this process. The journal's time may be a minute older."""
        self._complete: frozenset[str] | None = None
        """The accounts of the last complete table."""
        self._again: set[str] = set()
        """Accounts that were not in the complete table before, and whose times must begin again."""
        self._silent: set[str] = set()
        """Accounts that were silent at the last report."""
        self._changed = asyncio.Event()
        self.listener = JournalListener(on_arrived=self._on_arrived)

    def prepare(self, accounts: Iterable[Account]) -> NewAccounts:
        """Compare the accounts of a new table with the watched ones. Call it in a thread, one table at a time."""
        before, found = self._accounts, {account.name: account for account in accounts}
        names = frozenset(found)
        return NewAccounts(
            accounts=found,
            names=names,
            replaced=tuple(
                name
                for name, account in found.items()
                if name in before and before[name] is not account and _owner(before[name]) != _owner(account)
            ),
            added=frozenset() if self._complete is None else names - self._complete,
        )

    def take(self, new: NewAccounts, *, complete: bool) -> None:
        """Watch these accounts. ``complete`` is False if clients are missing that will be served again in a moment."""
        self._accounts = new.accounts
        for name in new.replaced:
            self._arrived.pop(name, None)
        if complete:
            self._complete = new.names
            self._again |= new.added
            self._again &= new.names
            for name in self._arrived.keys() - new.names:
                del self._arrived[name]
        self._changed.set()

    def all(self) -> tuple[AccountActivity, ...]:
        """The activity of all accounts, by name. Thread-safe."""
        return tuple(self._activity(account) for _, account in sorted(self._accounts.copy().items()))

    async def read(self) -> tuple[AccountActivity, ...]:
        """The same, computed in a thread: ten thousand accounts take tens of milliseconds."""
        return await asyncio.to_thread(self.all)

    def of(self, name: str) -> AccountActivity | None:
        """The activity of one account; None if it is not served."""
        account = self._accounts.get(name)
        return None if account is None else self._activity(account)

    def _activity(self, account: Account) -> AccountActivity:
        stored, now = self._stored, self._now()
        times = _NOTHING if stored is None else stored.accounts.get(account.name, _NOTHING)
        arrived = self._arrived.get(account.name)
        if arrived is not None:
            times = AccountTimes(last_update=later(times.last_update, arrived, now), served_since=times.served_since)
        if account.name in self._again:
            times = AccountTimes(last_update=times.last_update, served_since=now)
        # Without a report for a while, the journal is unavailable, and no aggregator can deliver.
        return activity(account, times, None if stored is None else listened(stored.listening, now), now)

    def _on_arrived(self, latest: Mapping[str, int]) -> None:
        now = self._now()
        for account, at in latest.items():
            self._arrived[account] = later(self._arrived.get(account), at, now)

    async def _run(self) -> None:
        while True:
            self._changed.clear()
            try:
                await self._report()
                pause = _EVERY
            except JournalUnavailableError:
                pause = _AFTER_FAULT  # the journal reports its own errors
            except Exception:  # noqa: BLE001  it is logged; the watch ends only with the server
                _log.exception("silence_watch_failed", next_in=_AFTER_FAULT)
                pause = _AFTER_FAULT
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._changed.wait()

    async def _report(self) -> None:
        """Store that this server can receive updates, and since when it serves its accounts; read all times."""
        again = sorted(self._again)
        if again:
            await self._store.serve(again, now=self._now(), again=True)
        stored = await self._store.listen(now=self._now())
        new = [name for name in self._accounts if stored.accounts.get(name, _NOTHING).served_since is None]
        if new:
            await self._store.serve(new, now=self._now(), again=False)
            stored = await self._store.listen(now=self._now())
        self._again.difference_update(again)
        self._stored = stored
        now = self._now()
        self._arrived = {name: min(at, now) for name, at in self._arrived.items()}
        self._log_changes(await self.read())

    def _log_changes(self, found: Sequence[AccountActivity]) -> None:
        """Log the accounts that became silent, and those that are not silent any more."""
        before = self._silent
        self._silent = {account.name for account in found if account.state == "silent"}
        silent = [account for account in found if account.name in self._silent - before]
        for account in silent[:_MOST_LOGGED]:
            since = None if account.silent_since is None else rfc3339(account.silent_since)
            _log.warning("account_silent", account=account.name, since=since, expect_every=account.expect_every)
        if len(silent) > _MOST_LOGGED:
            _log.warning(
                "account_silent", accounts=len(silent) - _MOST_LOGGED, reason="these are not listed one by one"
            )
        ended = [account for account in found if account.name in before - self._silent]
        for account in ended[:_MOST_LOGGED]:
            _log.info("account_sends_again", account=account.name)

    def _now(self) -> int:
        return int(self._wall() * 1000)


def _owner(account: Account) -> tuple[str | None, str]:
    """Differs if the account's namespace was deleted and created again; its times then begin again."""
    return None if account.tenant is None else account.tenant.uid, account.generation
