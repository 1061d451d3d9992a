"""The last updates of a server's accounts, as its pods report them. No I/O. Times are milliseconds since the epoch."""

from collections.abc import Mapping, Sequence
from typing import Final

from trackpush_operator.store.rollout import AccountReport

LEAST_BETWEEN: Final = 300_000
"""Minimum milliseconds between two times of one account that are written only because the account got an update."""
PER_SECOND: Final = 1.0
"""Maximum number of such writes per second: thousands of accounts must not load the API server."""


class AccountActivities:
    """The accounts of one server."""

    def __init__(self) -> None:
        self._reported: dict[str, AccountReport] = {}
        self._enqueued: dict[str, int] = {}
        """The last update for which an account's status was enqueued."""
        self._at: float | None = None

    def of(self, account: str) -> AccountReport | None:
        return self._reported.get(account)

    def take(self, answers: Sequence[Mapping[str, AccountReport]], now: float) -> set[str]:
        """Take the pods' answers; returns the accounts whose status must be written.

        These are the accounts whose state changed, and some of those whose last update is newer than the one in the
        status: only those for which the last write is long enough ago, the longest first. ``now`` is in seconds,
        monotonic.
        """
        before, self._reported = self._reported, _merged(answers)
        changed = {name for name, report in self._reported.items() if report.state != _state(before.get(name))}
        changed |= before.keys() - self._reported.keys()
        stale = sorted(
            (self._enqueued.get(name, 0), name)
            for name, report in self._reported.items()
            if (report.last_update or 0) - self._enqueued.get(name, 0) >= LEAST_BETWEEN and name not in changed
        )
        room = 1 if self._at is None else int((now - self._at) * PER_SECOND)
        self._at = now
        chosen = changed | {name for _, name in stale[:room]}
        for name in chosen:
            report = self._reported.get(name)
            self._enqueued[name] = 0 if report is None else report.last_update or 0
        self._enqueued = {name: at for name, at in self._enqueued.items() if name in self._reported}
        return chosen


def _state(report: AccountReport | None) -> str | None:
    return None if report is None else report.state


def _merged(answers: Sequence[Mapping[str, AccountReport]]) -> dict[str, AccountReport]:
    """One report for each account: that of the pod that knows the latest update."""
    merged: dict[str, AccountReport] = {}
    for answer in answers:
        for name, report in answer.items():
            known = merged.get(name)
            if known is None or known.state == "unknown" or (report.last_update or 0) > (known.last_update or 0):
                merged[name] = report
    return merged
