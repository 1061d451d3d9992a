"""The state that the operator's parts share: store, compiler and queues."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from trackpush_api.definitions import DefinitionLibrary
from trackpush_api.routing import namespace_of
from trackpush_operator.compile.compiler import Compiler
from trackpush_operator.kube.api import Api
from trackpush_operator.metrics import Metrics
from trackpush_operator.options import KEY_MEMORY
from trackpush_operator.reconcile.workqueue import WorkQueue
from trackpush_operator.store.objects import Key
from trackpush_operator.store.pod_reports import PodReports
from trackpush_operator.store.pods_and_children import PodsAndChildren
from trackpush_operator.store.resources import Ref, ResourceCache
from trackpush_operator.store.scope import Scope
from trackpush_operator.store.tombstones import Tombstones

ShardKey = tuple[str, str]
"""Server (``namespace/name``) and shard."""


class Queues:
    """All work queues. Each namespace has its own lane."""

    def __init__(self) -> None:
        self.decide: WorkQueue[Key] = WorkQueue(lambda key: key.namespace)
        self.servers: WorkQueue[Key] = WorkQueue(lambda key: key.namespace)
        self.shards: WorkQueue[ShardKey] = WorkQueue(lambda key: key[0])
        self.reports: WorkQueue[Key] = WorkQueue(lambda key: key.namespace)
        self.secrets: WorkQueue[Ref] = WorkQueue(lambda ref: ref[0])
        """Changed Secrets to read, because the watch shows no values."""
        self.readback: WorkQueue[str] = WorkQueue(namespace_of)
        self.touch: WorkQueue[str] = WorkQueue(namespace_of)
        self.portal: WorkQueue[str] = WorkQueue(namespace_of)
        """Servers whose portal may have changes that wait."""

    def by_name(self) -> dict[str, WorkQueue[Key] | WorkQueue[ShardKey] | WorkQueue[str]]:
        """All queues by name, for metrics and health."""
        return dict(vars(self))


@dataclass(frozen=True)
class Clock:
    """The clocks that decisions need."""

    monotonic: Callable[[], float] = time.monotonic
    """Seconds."""
    wall: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def stamp(self) -> str:
        """The current time in the format of a condition's lastTransitionTime."""
        return self.wall().strftime("%Y-%m-%dT%H:%M:%SZ")


def new_revision() -> str:
    """A shard's revision: random, so that it reveals nothing about the contents."""
    return secrets.token_hex(8)


class OperatorState:
    """The whole state of the operator."""

    def __init__(
        self,
        metrics: Metrics,
        clock: Clock | None = None,
        *,
        any_annotation: bool = False,
        any_pod_template: bool = False,
        key_memory: float = KEY_MEMORY,
        scope: Scope | None = None,
        library: DefinitionLibrary | None = None,
    ) -> None:
        self.scope = scope or Scope()
        self.metrics = metrics
        self.clock = clock or Clock()
        self.any_annotation = any_annotation
        self.any_pod_template = any_pod_template
        self.tombstones = Tombstones()
        self.cache = ResourceCache(self.tombstones)
        self.owned = PodsAndChildren(self.tombstones)
        self.compiler = Compiler(
            self.cache,
            lambda: self.clock.wall().timestamp(),
            key_memory=key_memory,
            scope=self.scope,
            library=library,
        )
        self.pod_reports = PodReports(self.owned)
        self.queues = Queues()
        self.applied: dict[Key, str] = {}
        """For each WebhookServer: why its children aren't as desired; empty if they are."""
        self.volumes: dict[Key, str] = {}
        """For each WebhookServer whose volume differs from its spec: the reason."""
        self.rollouts_pending: dict[str, float] = {}
        """Servers that don't serve everything that was written, and since when."""
        self.optional_kinds = frozenset[Api]()
        """Optional kinds that exist in this cluster."""
        self.lists_synced = False
        """Whether all initial lists are complete. Before that, nothing may be decided or written."""
