"""The canonical notification: its shape, and in words what each field is. The published schema is made of this.

Pure data. Clients' developers read these descriptions, in the schema and in docs/receiving-pushes.md.
"""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from trackpush_api.vocabulary import Aggregator, Direction, NdrReason, Status

NAME_LENGTH = 256
"""Most characters of an AWB, an order id, a code, a label or a place."""
REMARK_LENGTH = 2048
TIME_LENGTH = 64
"""Most characters of a time as the aggregator wrote it."""


def _is(description: str, *examples: object, **constraints: Any) -> Meta:
    """What the schema says of a field. ``constraints`` are JSON Schema keywords; nothing is checked on decoding."""
    return Meta(description=description, examples=list(examples) or None, extra_json_schema=constraints or None)


def _name(description: str, *examples: str) -> Meta:
    return _is(description, *examples, maxLength=NAME_LENGTH)


class NotificationShipment(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The shipment that the update is about."""

    awb: Annotated[
        str | None,
        _name("Air waybill number, the courier's number of the shipment. null for a return without one yet.", "190414"),
    ]
    courier: Annotated[str | None, _name("Courier, in the aggregator's words.", "Delhivery Surface")]
    order_id: Annotated[str | None, _name("The client's order id, as the aggregator knows it.", "SO-1001")]
    direction: Annotated[
        Direction,
        _is("Which way the goods move: forward to the customer, rto back undelivered, reverse as a customer's return."),
    ]
    forward_awb: Annotated[
        str | None,
        _name("AWB of the shipment to the customer, where this is its way back and the aggregator tells.", "190414"),
    ]
    return_reference: Annotated[str | None, _name("The aggregator's reference of the return order.", "RET-1001")]
    estimated_delivery: Annotated[
        str | None, _is("Day on which delivery is expected, in India's time.", "2025-06-14", format="date")
    ]


class NotificationStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What happened to it."""

    code: Annotated[
        Status,
        _is("What happened, in one vocabulary for all aggregators. Codes may be added: treat a new one as UNKNOWN."),
    ]
    aggregator_code: Annotated[str | None, _name("The aggregator's own code.", "8")]
    aggregator_label: Annotated[str | None, _name("The aggregator's own words for its code.", "Delivered")]
    terminal: Annotated[bool, _is("Whether nothing more is expected of the shipment.")]
    ndr_reason: Annotated[
        NdrReason | None, _is("Why a delivery failed (non-delivery report). Reasons may be added.", "REFUSED")
    ]
    remark: Annotated[str | None, _is("The courier's remark.", "Delivered to consignee", maxLength=REMARK_LENGTH)]
    location: Annotated[
        str | None, _name("Where it happened, in the courier's words.", "Mumbai_MiraRd_D (Maharashtra)")
    ]


class Notification(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """The client-facing form of one tracking update, without what differs from push to push (id, late, raw)."""

    type: Annotated[
        str,
        _is(
            "The word shipment, a dot, and the status code in lower case.",
            enum=[f"shipment.{status.lower()}" for status in Status],
        ),
    ]
    aggregator: Annotated[
        str, _is("Who reported it. Aggregators may be added.", enum=[each.slug for each in Aggregator])
    ]
    occurred_at: Annotated[
        str | None,
        _is(
            "When it happened, UTC. null without a time that can be read or that lies at most a day after receivedAt.",
            "2023-05-23T06:13:52Z",
            format="date-time",
        ),
    ]
    occurred_at_text: Annotated[
        str | UnsetType,
        _is(
            "The aggregator's own words for the time, only where occurredAt is null although there are some.",
            "2036-06-02T10:00:00Z",
            maxLength=TIME_LENGTH,
        ),
    ] = UNSET
    received_at: Annotated[str, _is("When Trackpush received it, UTC.", "2023-05-23T06:13:53.250Z", format="date-time")]
    test: Annotated[bool, _is("The aggregator's own test or dummy body: don't book it.")]
    shipment: NotificationShipment
    status: NotificationStatus
