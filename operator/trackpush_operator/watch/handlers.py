"""kopf's handlers: every event of every watch goes to the event router. The handlers do nothing else.

Facts about kopf 1.45 that lead to this design: Its other handlers (create, update, resume, daemons, timers), its
finalizers and its progress storage write to every object, so none are used. It swallows exceptions in ``on.event``, so
the handler logs them itself. After a reconnect it lists again and reports existing objects, but never those deleted
meanwhile, so each such list is compared with the store (`Watches.compare_lists`).
"""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import kopf
import structlog

from trackpush_operator.kube.api import PAGE, Body
from trackpush_operator.kube.kinds import Watched
from trackpush_runtime.logs import where

_SERVER_TIMEOUT = 290
"""Seconds after which the API server ends a watch; kopf then starts a new one at the same position."""
_INACTIVITY = 70.0
"""Seconds of silence after which a watch counts as dead. Bookmarks come every 60 seconds."""
_log = structlog.get_logger("handlers")


class EventSink(Protocol):
    """Receives the events of the watches."""

    def event(self, kind: str, type_: str | None, body: Body) -> None:
        """Record one event. ``type_`` is the watch's event type; None for an object from a list."""
        ...


def registry(
    watched: tuple[Watched, ...], sink: EventSink, connect: Callable[[], Awaitable[kopf.AiohttpSession]]
) -> kopf.OperatorRegistry:
    """The handlers for one run of kopf."""
    made = kopf.OperatorRegistry()

    @kopf.on.login(registry=made)
    async def login(**_: Any) -> kopf.AiohttpSession:
        return await connect()

    for kind in watched:
        kopf.on.event(kind.api.group, kind.api.version, kind.api.plural, registry=made)(_handler(kind.api.kind, sink))
    return made


def _handler(kind: str, sink: EventSink) -> Any:
    async def handle(*, event: Any, **_: Any) -> None:
        try:
            sink.event(kind, event["type"], event["object"])
        except Exception as error:  # noqa: BLE001  kopf would swallow it; the resync makes good what is missed
            _log.error("handler_failed", kind=kind, error=type(error).__name__, at=where(error))

    return handle


def settings(watched: tuple[Watched, ...]) -> kopf.OperatorSettings:
    """Settings with which kopf only watches."""
    made = kopf.OperatorSettings()
    made.posting.enabled = False
    made.scanning.disabled = True
    made.peering.standalone = True
    made.process.ultimate_exiting_timeout = None
    made.persistence.diffbase_storage = _NoDiffBase()
    made.watching.server_timeout = _SERVER_TIMEOUT
    made.watching.client_timeout = _SERVER_TIMEOUT + 30
    made.watching.inactivity_timeout = _INACTIVITY
    made.watching.connect_timeout = 10
    made.watching.chunk_size = PAGE
    made.networking.request_timeout = 60
    made.networking.connect_timeout = 10
    made.networking.error_backoffs = (0.2, 0.5, 1, 2, 3)
    made.queueing.idle_timeout = 0.2
    for kind in watched:
        place = (kind.api.group, kind.api.version, kind.api.plural)
        if kind.selection.labels:
            made.watching.label_selectors[place] = kind.selection.labels
        if kind.selection.fields:
            made.watching.field_selectors[place] = kind.selection.fields
    return made


class _NoDiffBase(kopf.DiffBaseStorage):
    """Disables the comparison of objects, for which kopf would copy every object several times."""

    def build(self, **_: Any) -> Any:
        """Return nothing."""
        return {}

    def fetch(self, **_: Any) -> Any:
        """Return nothing."""
        return None

    def store(self, **_: Any) -> None:
        """Store nothing."""
