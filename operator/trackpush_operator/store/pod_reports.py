"""The pods' last answers: the revisions that they serve, and failing PushConfigs. No I/O."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec

from trackpush_operator.store.account_activities import AccountActivities
from trackpush_operator.store.objects import Pod
from trackpush_operator.store.pods_and_children import PodsAndChildren
from trackpush_operator.store.rollout import AccountReport, PushTrouble, Rollout
from trackpush_operator.store.shard_revisions import EntryKey, ShardedTable, ShardState

GRACE: Final = 60.0
"""Seconds for which conditions are kept while pods are missing or don't answer."""


_REFUSALS: Final = (20, 50, 100, 200, 500, 1000, 10_000)
"""Steps of the number in a status: it must not change with every request."""


def refusal_level(count: int) -> int:
    """The highest step that a number of refusals in a row has reached; 0 below the first, which is not reported."""
    return max((step for step in _REFUSALS if step <= count), default=0)


class PodReport(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of one pod."""

    files: Mapping[str, str] = {}
    """Revision of each shard that the pod serves."""
    troubles: Mapping[str, PushTrouble] = {}
    refused: Mapping[str, int] = {}
    """Consecutive refused requests, by account."""
    accounts: Mapping[str, AccountReport] | None = None
    """The accounts' last updates; None if the pod was not asked for them in this round."""
    error: str = ""
    """Why the pod did not answer."""


class ShardProgress(NamedTuple):
    """How many pods of a server have loaded one shard."""

    ready: bool
    asked: bool
    """Whether all ready pods answered."""
    number: int
    """The lowest number that any of the pods serves."""
    grace: bool


class PodReports:
    """The last answers of all pods."""

    def __init__(self, owned: PodsAndChildren) -> None:
        self._owned = owned
        self._of: defaultdict[str, dict[tuple[str, int], PodReport]] = defaultdict(dict)
        self._unsure: dict[str, float] = {}
        self._states: dict[tuple[str, str], ShardProgress] = {}
        self._troubles: dict[str, Mapping[str, PushTrouble]] = {}
        self._refusals: dict[str, Mapping[str, int]] = {}
        self._activities: defaultdict[str, AccountActivities] = defaultdict(AccountActivities)

    def take(self, server: str, answers: Mapping[Pod, PodReport], now: float) -> None:
        """Record one round of answers; the answers of pods that are no longer ready are forgotten."""
        self._of[server] = {(pod.uid, pod.starts): report for pod, report in answers.items()}
        if self._is_sure(server):
            self._unsure.pop(server, None)
        else:
            self._unsure.setdefault(server, now)

    def forget(self, server: str) -> None:
        """Forget a deleted server."""
        self._of.pop(server, None)
        self._unsure.pop(server, None)
        self._troubles.pop(server, None)
        self._refusals.pop(server, None)
        self._activities.pop(server, None)
        for name in [name for name in self._states if name[0] == server]:
            del self._states[name]

    def _is_sure(self, server: str) -> bool:
        ready = self._owned.ready_pods(server)
        return bool(ready) and all(self._answered(server, pod) for pod in ready)

    def _answered(self, server: str, pod: Pod) -> bool:
        report = self._of[server].get((pod.uid, pod.starts))
        return report is not None and not report.error

    def state(self, server: str, part: ShardState, now: float) -> ShardProgress:
        """The progress of a shard: how many ready pods have loaded it now."""
        ready = self._owned.ready_pods(server)
        reports = [self._of[server].get((pod.uid, pod.starts)) for pod in ready]
        answers = [report for report in reports if report is not None and not report.error]
        numbers = [part.number_of(answer.files.get(part.name)) for answer in answers]
        since = self._unsure.get(server)
        sure = bool(ready) and len(answers) == len(ready)
        return ShardProgress(
            ready=bool(ready),
            asked=sure,
            number=min(numbers, default=-1),
            grace=not sure and (since is None or now - since < GRACE),
        )

    def changed_parts(self, table: ShardedTable, now: float) -> list[ShardState]:
        """The shards whose progress changed since the last call; shards that all pods serve are confirmed."""
        changed = []
        for part in table.parts.values():
            state = self.state(table.server, part, now)
            if state.ready and state.asked:
                part.confirmed = max(part.confirmed, state.number)
            if self._states.get((table.server, part.name)) != state:
                self._states[table.server, part.name] = state
                changed.append(part)
        return changed

    def changed_troubles(self, server: str) -> set[str]:
        """PushConfigs whose reported failure changed since the last call."""
        old = self._troubles.get(server, {})
        if not self._is_sure(server):
            return set()  # keep the last known failures
        new: dict[str, PushTrouble] = {}
        for report in self._of[server].values():
            for name, trouble in report.troubles.items():
                known = new.get(name)
                new[name] = trouble if known is None or trouble.since < known.since else known
        self._troubles[server] = new
        return {name for name in {*old, *new} if old.get(name) != new.get(name)}

    def trouble(self, server: str, push_config: str) -> PushTrouble | None:
        """The reported failure of a PushConfig (``namespace/name``)."""
        return self._troubles.get(server, {}).get(push_config)

    def changed_refusals(self, server: str) -> set[str]:
        """Accounts for which the reported number of refusals in a row changed since the last call."""
        old = self._refusals.get(server, {})
        if not self._is_sure(server):
            return set()
        total: Counter[str] = Counter()
        for report in self._of[server].values():
            total.update(report.refused)
        new = {name: level for name, count in total.items() if (level := refusal_level(count))}
        self._refusals[server] = new
        return {name for name in {*old, *new} if old.get(name) != new.get(name)}

    def refusals(self, server: str, account: str) -> int:
        """The refusals in a row of an account (``namespace/name``), as `refusal_level` gives them."""
        return self._refusals.get(server, {}).get(account, 0)

    def changed_activities(self, server: str, now: float) -> set[str]:
        """Accounts whose status must be written, because of their last update: see `AccountActivities.take`."""
        answers = [report.accounts for report in self._of[server].values() if report.accounts is not None]
        return self._activities[server].take(answers, now) if answers else set()

    def activity(self, server: str, account: str) -> AccountReport | None:
        """The reported activity of an account (``namespace/name``); None if no pod has reported it yet."""
        return self._activities[server].of(account)

    def unasked(self, server: str) -> str:
        """Why a pod doesn't answer; empty if all answer."""
        for pod in self._owned.ready_pods(server):
            report = self._of[server].get((pod.uid, pod.starts))
            if report is not None and report.error:
                return f"pod {pod.name} doesn't answer on its admin port: {report.error}"
        return ""

    def rollout(self, table: ShardedTable, what: EntryKey, now: float, *, was_served: bool = False) -> Rollout:
        """The rollout of an entry on a server; ``was_served``: by its status, which outlives the operator."""
        part = table.part_of(what)
        state = self.state(table.server, part, now)
        need = part.need(what)
        return Rollout(
            server=table.server,
            refused=what in part.refused,
            written=part.is_written(what),
            ready=state.ready,
            served=state.asked and state.number >= need,
            trouble=self.unasked(table.server),
            confirmed=part.confirmed >= need or (was_served and need == 0),
            grace=state.grace,
        )

    def lagging(self, table: ShardedTable) -> list[Pod]:
        """Ready pods that answered but don't serve everything that was written."""
        return [pod for pod in self._owned.ready_pods(table.server) if self._lags(table, pod)]

    def _lags(self, table: ShardedTable, pod: Pod) -> bool:
        report = self._of[table.server].get((pod.uid, pod.starts))
        if report is None or report.error:
            return False
        return any(part.number_of(report.files.get(part.name)) < part.newest for part in table.parts.values())

    def is_settled(self, table: ShardedTable, now: float) -> bool:
        """Whether every ready pod serves all written shards; if so, rare polls are enough."""
        states = (self.state(table.server, part, now) for part in table.parts.values())
        written = all(not part.is_behind for part in table.parts.values())
        return written and all(
            state.asked and state.number >= part.newest
            for state, part in zip(states, table.parts.values(), strict=True)
        )
