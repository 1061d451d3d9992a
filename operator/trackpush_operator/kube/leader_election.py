"""Leader election: the active operator renews a Lease; others wait until it is released or expires.

An operator that couldn't renew the Lease for two thirds of its duration stops working, before another one may start:
two active operators would overwrite each other's shards.
"""

import asyncio
import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from trackpush_operator.kube.api import Body, Cluster
from trackpush_operator.kube.errors import ClusterError, ConflictError, NotFoundError
from trackpush_operator.kube.kinds import LEASES

_FORMAT: Final = "%Y-%m-%dT%H:%M:%S.%fZ"
_log = structlog.get_logger("leader_election")


class LeaseLostError(Exception):
    """The Lease couldn't be renewed in time, or another operator has it."""


class LeaderElection:
    """The Lease ``name`` in ``namespace``."""

    def __init__(
        self,
        cluster: Cluster,
        *,
        namespace: str,
        name: str,
        identity: str,
        seconds: float,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._seconds = seconds
        self._now = now
        self._seen: tuple[str, float] = ("", 0.0)
        """Another operator's last renewal, and the local time when it was first seen: the clocks may differ."""
        self.is_renewed = False
        """Whether another operator renewed the Lease recently. Then that one works, and this one may wait."""

    async def acquire(self) -> None:
        """Wait until this operator holds the Lease."""
        waiting = False
        while True:
            try:
                if await self._try():
                    _log.info("lease_acquired", identity=self._identity)
                    return
            except ClusterError as error:
                _log.warning("waiting_for_lease", reason=str(error))
            if not waiting:
                _log.info("waiting_for_lease", identity=self._identity)
                waiting = True
            await asyncio.sleep(self._seconds / 10 * random.uniform(0.8, 1.2))  # noqa: S311  spreads load

    async def hold(self) -> None:
        """Renew the Lease until cancelled.

        Raises:
            LeaseLostError: it can't be renewed, or another operator has it.
        """
        loop = asyncio.get_running_loop()
        renewed = loop.time()
        while True:
            await asyncio.sleep(self._seconds / 3)
            try:
                async with asyncio.timeout_at(renewed + self._seconds * 2 / 3):
                    if not await self._renew_soon():
                        raise LeaseLostError("another operator has the Lease")
            except TimeoutError:
                raise LeaseLostError("the Lease couldn't be renewed in time") from None
            renewed = loop.time()

    async def _renew_soon(self) -> bool:
        """Try until the API server answers; returns whether this operator holds the Lease."""
        while True:
            try:
                return await self._try()
            except ClusterError:
                await asyncio.sleep(self._seconds / 30)

    async def release(self) -> None:
        """Release the Lease, so that another operator needn't wait for its end. Errors are ignored."""
        try:
            body = await self._cluster.get(LEASES, self._namespace, self._name)
            if body["spec"].get("holderIdentity") == self._identity:
                await self._cluster.replace(LEASES, {**body, "spec": {**body["spec"], "holderIdentity": ""}})
        except ClusterError as error:
            _log.warning("lease_lost", reason=str(error))

    async def _try(self) -> bool:
        """Acquire or renew the Lease; returns False if another operator has it."""
        try:
            body = await self._cluster.get(LEASES, self._namespace, self._name)
        except NotFoundError:
            return await self._create()
        holder = body["spec"].get("holderIdentity") or ""
        if holder not in ("", self._identity) and not self._has_run_out(body):
            return False
        try:
            await self._cluster.replace(LEASES, {**body, "spec": self._spec(body["spec"])})
        except ConflictError:
            return False
        return True

    async def _create(self) -> bool:
        metadata = {"namespace": self._namespace, "name": self._name}
        body = {"apiVersion": LEASES.api_version, "kind": LEASES.kind, "metadata": metadata, "spec": self._spec({})}
        try:
            await self._cluster.create(LEASES, body)
        except ConflictError:
            return False
        return True

    def _spec(self, old: Body) -> dict[str, Any]:
        now = self._now().strftime(_FORMAT)
        is_mine = old.get("holderIdentity") == self._identity
        return {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": max(1, round(self._seconds)),
            "acquireTime": old.get("acquireTime") or now if is_mine else now,
            "renewTime": now,
            "leaseTransitions": (old.get("leaseTransitions") or 0) + (not is_mine),
        }

    def _has_run_out(self, body: Body) -> bool:
        spec = body["spec"]
        mark = f"{spec.get('holderIdentity')} {spec.get('renewTime')}"
        now = asyncio.get_running_loop().time()
        duration = float(spec.get("leaseDurationSeconds") or self._seconds)
        if self._seen[0] != mark:
            self.is_renewed = bool(self._seen[0])
            self._seen = (mark, now)
        elif now - self._seen[1] > duration * 2 / 3:  # after this time a holder that is alive has stopped working
            self.is_renewed = False
        return now - self._seen[1] > duration
