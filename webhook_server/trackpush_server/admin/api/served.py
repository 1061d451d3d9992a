"""All operations of the API, and the document that describes them."""

from typing import cast

import msgspec

from trackpush_server.admin.api.acting import Acting
from trackpush_server.admin.api.live import Live
from trackpush_server.admin.api.openapi import description
from trackpush_server.admin.api.operation import Operation
from trackpush_server.admin.api.reading import Reading
from trackpush_server.admin.desk import Desk


def operations(desk: Desk) -> tuple[Operation, ...]:
    """All of the API."""
    return (*Reading(desk).operations(), *Acting(desk).operations(), *Live(desk).operations())


def document() -> bytes:
    """The OpenAPI description, JSON. It depends on no server, so no operation is called."""
    served = operations(cast("Desk", None))
    return msgspec.json.format(msgspec.json.encode(description(served)), indent=2) + b"\n"
