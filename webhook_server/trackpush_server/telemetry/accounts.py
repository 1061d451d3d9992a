"""Metrics of the last update of each account, and of silent accounts. Computed at each scrape."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from trackpush_server.silence.activity import AccountActivity
from trackpush_server.telemetry.labels import MOST_PUSH_CONFIGS

_MOST_SILENT: Final = 100
"""Silent accounts with a series, those that have been silent for longest first."""


class AccountTelemetry(Collector):
    """Three metrics; thousands of accounts do not create thousands of series."""

    def __init__(self, activity: Callable[[], Sequence[AccountActivity]]) -> None:
        """``activity`` must be thread-safe, because a scrape may run in a thread."""
        self._activity = activity

    def collect(self) -> Iterable[GaugeMetricFamily]:
        found = self._activity()
        silent = sorted(
            (account for account in found if account.state == "silent"),
            key=lambda account: (account.silent_since or 0, account.name),
        )
        last = GaugeMetricFamily(
            "trackpush_account_last_update_timestamp_seconds",
            "Time when the account's aggregator last sent an update, duplicates included; of at most 200 accounts.",
            labels=["account"],
        )
        for account in _chosen(found, silent):
            if account.last_update is not None:
                last.add_metric([account.name], account.last_update / 1000)
        since = GaugeMetricFamily(
            "trackpush_account_silent_timestamp_seconds",
            "Last update of a silent account, or when it was first served; of at most 100 accounts. Absent otherwise.",
            labels=["account"],
        )
        for account in silent[:_MOST_SILENT]:
            since.add_metric([account.name], (account.silent_since or 0) / 1000)
        number = GaugeMetricFamily("trackpush_accounts_silent", "Number of silent accounts.", value=len(silent))
        return last, since, number


def _chosen(found: Sequence[AccountActivity], silent: Sequence[AccountActivity]) -> Iterable[AccountActivity]:
    """The accounts with a series: silent ones, then watched ones, then the others, by name."""
    others = sorted(found, key=lambda account: (account.expect_every is None, account.name))
    named = silent[:_MOST_SILENT]
    names = {account.name for account in named}
    return [*named, *(account for account in others if account.name not in names)][:MOST_PUSH_CONFIGS]
