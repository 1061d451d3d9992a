"""Asks every ready pod's admin port what it serves and which PushConfigs fail.

The operator assumes nothing about pods. It asks often while a change is being rolled out, and rarely otherwise. It asks
a pod that changed (became ready, restarted) at once.
"""

import asyncio
from typing import Any, Final

import aiohttp
import msgspec

from trackpush_operator.compile.entries import resource_key
from trackpush_operator.decide.portal_changes import allows_edit
from trackpush_operator.reconcile.admin_port import AdminPorts, BadAnswerError
from trackpush_operator.reconcile.state import OperatorState
from trackpush_operator.store.objects import Key, Kind, Pod, server_key
from trackpush_operator.store.pod_reports import PodReport
from trackpush_operator.store.rollout import AccountReport, PushTrouble
from trackpush_operator.store.shard_revisions import ShardedTable

_SOON: Final = 0.2
_PENDING_LONGEST: Final = 2.0
_SETTLED: Final = 15.0
"""Seconds between two rounds when nothing is being rolled out. A failing endpoint is then reported within a minute."""
_NO_TABLE: Final = 503
_NOT_FOUND: Final = 404
ACCOUNTS_EVERY: Final = 30.0
"""Minimum seconds between two requests for the accounts' last updates: the answer grows with the number of accounts."""
NUDGE: Final = 10.0
"""Seconds between two annotations of a pod that lags, because the kubelet may have read a stale cache after the first.
"""


class _Config(msgspec.Struct):
    server: str = ""
    files: dict[str, str] = {}


class _Failing(msgspec.Struct):
    name: str
    reason: str
    since: int
    message: str = ""


class _Refused(msgspec.Struct, rename="camel"):
    name: str
    in_a_row: int


class _Undelivered(msgspec.Struct, rename="camel"):
    push_configs: list[_Failing] = []
    refused_accounts: list[_Refused] = []


class _Account(msgspec.Struct, rename="camel"):
    name: str
    state: str
    last_update: int | None = None
    silent_since: int | None = None


class _LastUpdates(msgspec.Struct):
    accounts: list[_Account] = []


class Readback:
    """Handles the keys of `Queues.readback`: servers, ``namespace/name``."""

    def __init__(self, ports: AdminPorts, state: OperatorState) -> None:
        self._ports = ports
        self._state = state
        self._pauses: dict[str, float] = {}
        self._accounts_at: dict[str, float] = {}
        """By server: when its pods are asked for the accounts' last updates again."""

    async def ask(self, server: str) -> None:
        """Ask the pods of a server once, and plan the next round."""
        table = self._state.compiler.tables.get(server)
        if table is None:
            self._ports.forget(server)
            self._pauses.pop(server, None)
            self._accounts_at.pop(server, None)
            return
        pods = self._state.owned.ready_pods(server)
        now = self._state.clock.monotonic()
        with_accounts = now >= self._accounts_at.get(server, 0.0)
        if with_accounts and pods:
            self._accounts_at[server] = now + ACCOUNTS_EVERY
        answers = await asyncio.gather(*(self._ask(server, pod, with_accounts=with_accounts) for pod in pods))
        self._state.pod_reports.take(server, dict(zip(pods, answers, strict=True)), self._state.clock.monotonic())
        self._pass_on(table)
        self._again(table, has_pods=bool(pods))
        if allows_edit(self._state.cache.server(server)):
            self._state.queues.portal.add(server)

    def _pass_on(self, table: ShardedTable) -> None:
        """Enqueue the status of every resource whose state changed."""
        reports = self._state.queues.reports
        pod_reports, now = self._state.pod_reports, self._state.clock.monotonic()
        for part in pod_reports.changed_parts(table, now):
            for what in part.entries:
                reports.add(resource_key(what))
        for name in pod_reports.changed_troubles(table.server):
            namespace, _, push = name.partition("/")
            reports.add(Key(Kind.PUSH, namespace, push))
        for name in pod_reports.changed_refusals(table.server):
            namespace, _, webhook = name.partition("/")
            reports.add(Key(Kind.WEBHOOK, namespace, webhook))
        for name in pod_reports.changed_activities(table.server, now):
            namespace, _, webhook = name.partition("/")
            reports.add(Key(Kind.WEBHOOK, namespace, webhook))
        reports.add(server_key(table.server))

    def _again(self, table: ShardedTable, *, has_pods: bool) -> None:
        now = self._state.clock.monotonic()
        settled = self._state.pod_reports.is_settled(table, now)
        if settled and table.server in self._state.rollouts_pending:
            self._state.metrics.propagation.observe(now - self._state.rollouts_pending.pop(table.server))
        pause = _SETTLED if settled or not has_pods else min(self._pauses.get(table.server, _SOON), _PENDING_LONGEST)
        self._pauses[table.server] = _SOON if settled else pause * 1.3
        self._state.queues.readback.add(table.server, delay=pause)
        if not settled and has_pods:
            self._state.queues.touch.add(table.server, delay=NUDGE)

    async def _ask(self, server: str, pod: Pod, *, with_accounts: bool) -> PodReport:
        if pod.address is None:
            return PodReport(error="it has no address, or no container port named admin")
        try:
            config = await self._get(server, pod.address, "/config")
            undelivered = await self._get(server, pod.address, "/undelivered")
            accounts = await self._get(server, pod.address, "/last-updates") if with_accounts else None
            return _reading(server, config, undelivered, accounts)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return PodReport(error=type(error).__name__)
        except (msgspec.DecodeError, BadAnswerError) as error:
            return PodReport(error=str(error)[:200])

    async def _get(self, server: str, address: str, path: str) -> bytes:
        answer = await self._ports.send(server, address, path)
        if answer.status == _NOT_FOUND and path == "/last-updates":
            return b"{}"  # a pod of an older version
        if answer.status not in (200, _NO_TABLE):
            raise BadAnswerError(f"{path} answered {answer.status}")
        return answer.content


def _reading(server: str, config: bytes, undelivered: bytes, accounts: bytes | None) -> PodReport:
    found = msgspec.json.decode(config, type=_Config)
    if found.server and found.server != server:
        raise BadAnswerError("another server answers at its address")
    failing: Any = msgspec.json.decode(undelivered, type=_Undelivered)
    troubles = {
        push_config.name: PushTrouble(reason=push_config.reason, since=push_config.since, message=push_config.message)
        for push_config in failing.push_configs
    }
    refused = {account.name: account.in_a_row for account in failing.refused_accounts}
    return PodReport(
        files=found.files,
        troubles=troubles,
        refused=refused,
        accounts=None if accounts is None else _accounts(accounts),
    )


def _accounts(answer: bytes) -> dict[str, AccountReport]:
    return {
        account.name: AccountReport(
            state=account.state, last_update=account.last_update, silent_since=account.silent_since
        )
        for account in msgspec.json.decode(answer, type=_LastUpdates).accounts
    }
