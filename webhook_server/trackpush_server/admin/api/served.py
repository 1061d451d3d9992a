"""All operations of the API, and the document that describes them."""

from typing import Final

import msgspec

from trackpush_server.admin.api import acting, inbox, live, reading
from trackpush_server.admin.api.openapi import description

OPERATIONS: Final = (*reading.OPERATIONS, *acting.OPERATIONS, *inbox.OPERATIONS, *live.OPERATIONS)


def document() -> bytes:
    return msgspec.json.format(msgspec.json.encode(description(OPERATIONS)), indent=2) + b"\n"
