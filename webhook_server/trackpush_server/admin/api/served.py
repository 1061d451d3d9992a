"""All operations of the API, and the document that describes them."""

import functools
from typing import Final

import msgspec

from trackpush_server.admin.api import (
    acting,
    aggregators,
    config_history,
    exporting,
    findings,
    inbox,
    live,
    portal_changes,
    portal_links,
    reading,
    resuming,
    testing,
)
from trackpush_server.admin.api.openapi import description

OPERATIONS: Final = (
    *exporting.OPERATIONS,  # before /pushes/{id}
    *reading.OPERATIONS,
    *config_history.OPERATIONS,
    *findings.OPERATIONS,
    *aggregators.OPERATIONS,
    *acting.OPERATIONS,
    *resuming.OPERATIONS,
    *inbox.OPERATIONS,
    *live.OPERATIONS,
    *testing.OPERATIONS,
    *portal_changes.OPERATIONS,
    *portal_links.OPERATIONS,
)


@functools.cache  # 12 ms of CPU time, and the same for each server of a process
def document() -> bytes:
    return msgspec.json.format(msgspec.json.encode(description(OPERATIONS)), indent=2) + b"\n"
