"""The variables of expressions: the canonical notification, with types and the maximum size of each field.

Texts are never null. A text that the aggregator didn't send is ``""``, so that ``shipment.courier.startsWith("D")`` is
false for it and not an error. There is no such value for a time: if ``occurredAtKnown`` is false, ``occurredAt`` isn't
bound, and an expression that needs it fails. Names are declared in full and resolved in the container ``notification``.
This also makes it possible that ``type`` is a variable, although CEL has a function ``type``.
"""

from enum import Enum
from typing import NamedTuple

CONTAINER = "notification"
RAW = "raw"

NAME_BYTES = 4 * 256
"""Maximum bytes of a name: 256 characters of at most four bytes."""
REMARK_BYTES = 4 * 2048
LINK_BYTES = 4 * 2048
MOST_REASONS = 16
RAW_BYTES = 16 * 1024
"""Maximum bytes of a body for expressions that use ``raw``; a tracking update has about two thousand."""
RAW_VALUES = 1000
"""Maximum number of JSON values in such a body, estimated by its commas and opening brackets."""


class ValueKind(Enum):
    """Types of variables. DYNAMIC is any JSON value."""

    TEXT = "string"
    BOOL = "bool"
    TIMESTAMP = "timestamp"
    INTEGER = "int"
    TEXTS = "list<string>"
    DYNAMIC = "dyn"


class Variable(NamedTuple):
    """The type of a variable, and the maximum bytes of its value."""

    kind: ValueKind
    size: int = 8
    values: int = 1
    """Most values in it."""


_NAME = Variable(ValueKind.TEXT, NAME_BYTES)
_WORD = Variable(ValueKind.TEXT, 64)

VARIABLES = {
    "type": _WORD,
    "aggregator": _WORD,
    "occurredAt": Variable(ValueKind.TIMESTAMP),
    "occurredAtKnown": Variable(ValueKind.BOOL),
    "receivedAt": Variable(ValueKind.TIMESTAMP),
    "test": Variable(ValueKind.BOOL),
    "shipment.awb": _NAME,
    "shipment.courier": _NAME,
    "shipment.orderId": _NAME,
    "shipment.direction": _WORD,
    "shipment.forwardAwb": _NAME,
    "shipment.returnReference": _NAME,
    "shipment.estimatedDelivery": _WORD,
    "shipment.revisedDelivery": _WORD,
    "shipment.returnAwb": _NAME,
    "status.code": _WORD,
    "status.aggregatorCode": _NAME,
    "status.aggregatorLabel": _NAME,
    "status.terminal": Variable(ValueKind.BOOL),
    "status.ndrReason": _WORD,
    "status.remark": Variable(ValueKind.TEXT, REMARK_BYTES),
    "status.location": _NAME,
    "status.attempt": Variable(ValueKind.INTEGER),
    "status.qcResult": _WORD,
    "status.qcReasons": Variable(ValueKind.TEXTS, MOST_REASONS * NAME_BYTES, MOST_REASONS),
    "status.proofOfDelivery": Variable(ValueKind.TEXT, LINK_BYTES),
    "status.otpVerified": Variable(ValueKind.BOOL),
    RAW: Variable(ValueKind.DYNAMIC, RAW_BYTES, RAW_VALUES),
}


def qualified(name: str) -> str:
    """The name under which a variable is declared and bound: ``notification.status.code``."""
    return f"{CONTAINER}.{name}"
