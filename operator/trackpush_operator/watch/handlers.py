"""kopf's handlers: every event of every watch goes to the event router, and nothing else happens in them.

Facts about kopf 1.45 that shape this: its other handlers (create, update, resume, daemons, timers) and its finalizers
and progress write to every object, so there are none; exceptions in ``on.event`` are swallowed, so the handler logs
them itself; after a reconnect it lists again and reports existing objects, never those deleted meanwhile, so each such
list is compared with what is known (`Watches.compare_lists`).
"""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import kopf
import structlog

from trackpush_operator.kube.api import PAGE, Body
from trackpush_operator.kube.kinds import Watched
from trackpush_runtime.logs import where

_SERVER_TIMEOUT = 290
"""Seconds after which the API server ends a watch, and a new one begins where it ended."""
_INACTIVITY = 70.0
"""Bookmarks come every 60 seconds: a watch that is silent for longer is dead, whatever TCP says."""
_log = structlog.get_logger("handlers")


class EventSink(Protocol):
    """Receives the events of the watches."""

    def event(self, kind: str, type_: str | None, body: Body) -> None:
        """Take one event. ``type_`` is the watch's event type; None for an object from a list."""
        ...


def registry(
    watched: tuple[Watched, ...], sink: EventSink, connect: Callable[[], Awaitable[kopf.AiohttpSession]]
) -> kopf.OperatorRegistry:
    """The handlers of one run of kopf."""
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
    """Watch, and nothing else."""
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
    """Nothing is compared: kopf would copy every object for it, several times."""

    def build(self, **_: Any) -> Any:
        """Nothing."""
        return {}

    def fetch(self, **_: Any) -> Any:
        """Nothing."""
        return None

    def store(self, **_: Any) -> None:
        """Nowhere."""
