"""The words that resources, notifications, metrics and the console share.

Statuses: docs/aggregators/reference.md, §4.2.
"""

from enum import StrEnum
from typing import Final, Literal, get_args

AggregatorName = str
"""An aggregator, spelled as in ``spec.aggregator``: one of `Aggregator`, or the name of an AggregatorDefinition."""


class Aggregator(StrEnum):
    """The built-in aggregators, spelled as in a resource's ``spec.aggregator``."""

    CLICKPOST = "Clickpost"
    SHIPROCKET = "Shiprocket"
    SHIPWAY = "Shipway"

    @property
    def slug(self) -> str:
        """The lower-case name in notifications and metric labels."""
        return self.value.lower()


_SLUGS: Final[dict[AggregatorName, str]] = {each.value: each.slug for each in Aggregator}


def slug_of(aggregator: AggregatorName) -> str:
    """The name in notifications, metrics and logs: lower case. Names of definitions are lower-case already."""
    return _SLUGS.get(aggregator, aggregator)


RESERVED_PATH: Final = "st"
"""Shiprocket's segment of URLs, whose panel refuses its own name there."""
RESERVED_NAMES: Final = frozenset({*_SLUGS.values(), RESERVED_PATH})
"""No AggregatorDefinition can have one of these names or paths."""


class Direction(StrEnum):
    """Direction of the goods: to the customer, back undelivered, or back as a customer's return."""

    FORWARD = "forward"
    RTO = "rto"
    REVERSE = "reverse"


class Status(StrEnum):
    """The canonical status of a shipment."""

    CREATED = "CREATED"
    PICKUP_PENDING = "PICKUP_PENDING"
    OUT_FOR_PICKUP = "OUT_FOR_PICKUP"
    PICKUP_FAILED = "PICKUP_FAILED"
    PICKED_UP = "PICKED_UP"
    IN_TRANSIT = "IN_TRANSIT"
    AT_DESTINATION = "AT_DESTINATION"
    AVAILABLE_FOR_PICKUP = "AVAILABLE_FOR_PICKUP"
    """At a pickup point, from which the customer collects it."""
    DELAYED = "DELAYED"
    ON_HOLD = "ON_HOLD"
    OUT_FOR_DELIVERY = "OUT_FOR_DELIVERY"
    DELIVERY_FAILED = "DELIVERY_FAILED"
    DELIVERED = "DELIVERED"
    CANCELLED = "CANCELLED"
    LOST = "LOST"
    DAMAGED = "DAMAGED"
    EXPIRED = "EXPIRED"
    RTO_INITIATED = "RTO_INITIATED"
    RTO_IN_TRANSIT = "RTO_IN_TRANSIT"
    RTO_OUT_FOR_DELIVERY = "RTO_OUT_FOR_DELIVERY"
    RTO_FAILED = "RTO_FAILED"
    RTO_DELIVERED = "RTO_DELIVERED"
    RETURN_REQUESTED = "RETURN_REQUESTED"
    RETURN_APPROVED = "RETURN_APPROVED"
    RETURN_REJECTED = "RETURN_REJECTED"
    RETURN_PICKUP_PENDING = "RETURN_PICKUP_PENDING"
    RETURN_OUT_FOR_PICKUP = "RETURN_OUT_FOR_PICKUP"
    RETURN_PICKUP_FAILED = "RETURN_PICKUP_FAILED"
    RETURN_PICKED_UP = "RETURN_PICKED_UP"
    RETURN_IN_TRANSIT = "RETURN_IN_TRANSIT"
    RETURN_OUT_FOR_DELIVERY = "RETURN_OUT_FOR_DELIVERY"
    RETURN_DELIVERY_FAILED = "RETURN_DELIVERY_FAILED"
    RETURN_DELIVERED = "RETURN_DELIVERED"
    RETURN_QC_FAILED = "RETURN_QC_FAILED"
    RETURN_CANCELLED = "RETURN_CANCELLED"
    RETURN_CLOSED = "RETURN_CLOSED"
    EXCHANGE_PICKED_UP = "EXCHANGE_PICKED_UP"
    EXCHANGE_IN_TRANSIT = "EXCHANGE_IN_TRANSIT"
    EXCHANGE_DELIVERED = "EXCHANGE_DELIVERED"
    INFO = "INFO"
    UNKNOWN = "UNKNOWN"


TERMINAL = frozenset(
    {
        Status.DELIVERED,
        Status.CANCELLED,
        Status.LOST,
        Status.DAMAGED,
        Status.EXPIRED,
        Status.RTO_DELIVERED,
        Status.RETURN_REJECTED,
        Status.RETURN_DELIVERED,
        Status.RETURN_CANCELLED,
        Status.RETURN_CLOSED,
        Status.EXCHANGE_DELIVERED,
    },
)
"""The final statuses of a shipment."""


class QcResult(StrEnum):
    """The result of the quality check of a return."""

    PASSED = "passed"
    FAILED = "failed"


class NdrReason(StrEnum):
    """The reason why a courier's delivery attempt failed (NDR = non-delivery report)."""

    UNKNOWN = "UNKNOWN"
    CUSTOMER_UNAVAILABLE = "CUSTOMER_UNAVAILABLE"
    REFUSED = "REFUSED"
    RESCHEDULED = "RESCHEDULED"
    NO_ATTEMPT = "NO_ATTEMPT"
    CUSTOMER_UNREACHABLE = "CUSTOMER_UNREACHABLE"
    ADDRESS_ISSUE = "ADDRESS_ISSUE"
    PAYMENT_ISSUE = "PAYMENT_ISSUE"
    OUT_OF_DELIVERY_AREA = "OUT_OF_DELIVERY_AREA"
    CANCELLED = "CANCELLED"
    SELF_COLLECT = "SELF_COLLECT"
    SEIZED = "SEIZED"
    OPEN_DELIVERY = "OPEN_DELIVERY"
    MISROUTED = "MISROUTED"


AnnouncementKind = Literal[
    "EndpointFailing",
    "EndpointRecovered",
    "EndpointGone",
    "PushesDead",
    "AccountSilent",
    "AccountUnrecognised",
]
"""Events that ``spec.notifications`` of a resource can select: docs/notifications.md."""
ANNOUNCEMENT_KINDS: Final[tuple[AnnouncementKind, ...]] = get_args(AnnouncementKind)
