"""The canonical notification: its shape, and a description of each field. The published schema is generated from it.

Pure data. Clients' developers read these descriptions, in the schema and in docs/receiving-pushes.md.
"""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from trackpush_api.vocabulary import Aggregator, Direction, NdrReason, QcResult, Status

NAME_LENGTH = 256
"""Most characters of an AWB, an order id, a code, a label or a place."""
REMARK_LENGTH = 2048
TIME_LENGTH = 64
"""Most characters of a time as the aggregator wrote it."""
LINK_LENGTH = 2048
MOST_REASONS = 16
"""Most reasons of a quality check."""


def _is(description: str, *examples: object, **constraints: Any) -> Meta:
    """The schema's description of a field. ``constraints`` are JSON Schema keywords; decoding checks nothing."""
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
        _is(
            "Direction of the goods: forward (to the customer), rto (back, undelivered), reverse (a customer's return)."
        ),
    ]
    forward_awb: Annotated[
        str | None,
        _name(
            "AWB of the original shipment to the customer, if this is a return and the aggregator reports it.", "190414"
        ),
    ]
    return_reference: Annotated[str | None, _name("The aggregator's reference of the return order.", "RET-1001")]
    estimated_delivery: Annotated[
        str | None, _is("Expected day of delivery, in India's time zone.", "2025-06-14", format="date")
    ]
    revised_delivery: Annotated[
        str | UnsetType,
        _is(
            "The new expected day of delivery; only if the aggregator reports it beside another, original day.",
            "2025-06-15",
            format="date",
        ),
    ] = UNSET
    return_awb: Annotated[
        str | UnsetType,
        _name("AWB of this shipment's way back; only if the aggregator reports one.", "190415"),
    ] = UNSET


class NotificationStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The status that the update reports."""

    code: Annotated[
        Status,
        _is("Canonical status, the same for all aggregators. Codes may be added: treat a new one as UNKNOWN."),
    ]
    aggregator_code: Annotated[str | None, _name("The aggregator's own code.", "8")]
    aggregator_label: Annotated[str | None, _name("The aggregator's own words for its code.", "Delivered")]
    terminal: Annotated[bool, _is("Whether this is a final status.")]
    ndr_reason: Annotated[
        NdrReason | None, _is("Why a delivery failed (non-delivery report). Reasons may be added.", "REFUSED")
    ]
    remark: Annotated[str | None, _is("The courier's remark.", "Delivered to consignee", maxLength=REMARK_LENGTH)]
    location: Annotated[
        str | None, _name("Place of the event, in the courier's words.", "Mumbai_MiraRd_D (Maharashtra)")
    ]
    attempt: Annotated[
        int | UnsetType,
        _is(
            "Attempts so far to deliver or to collect, as the aggregator counts them; only if it reports a number.",
            1,
            minimum=1,
        ),
    ] = UNSET
    qc_result: Annotated[
        QcResult | UnsetType, _is("Result of the quality check of a return; only if there was one.")
    ] = UNSET
    qc_reasons: Annotated[
        list[Annotated[str, _name("A reason.")]] | UnsetType,
        _is(
            "Reasons of the quality check's result, in the aggregator's words or codes; only if it reports some.",
            ["PRODUCT_MISMATCH"],
            maxItems=MOST_REASONS,
        ),
    ] = UNSET
    proof_of_delivery: Annotated[
        str | UnsetType,
        _is(
            "Link to the proof of delivery, http or https; only if the aggregator reports one.",
            "https://files.example/pod/190414.jpg",
            maxLength=LINK_LENGTH,
        ),
    ] = UNSET
    otp_verified: Annotated[
        bool | UnsetType,
        _is("Whether the recipient's one-time password was verified; only if the aggregator reports it."),
    ] = UNSET


class Notification(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """The client-facing form of one tracking update, without the fields that differ between pushes (id, late, raw)."""

    type: Annotated[
        str,
        _is(
            "The word shipment, a dot, and the status code in lower case.",
            enum=[f"shipment.{status.lower()}" for status in Status],
        ),
    ]
    aggregator: Annotated[
        str,
        _is(
            "The aggregator that reported the update: clickpost, shiprocket, shipway, or the name of an"
            " AggregatorDefinition. Aggregators may be added.",
            examples=[each.slug for each in Aggregator],
        ),
    ]
    occurred_at: Annotated[
        str | None,
        _is(
            "Time of the event, UTC. null if it is missing, unreadable or more than a day after receivedAt.",
            "2023-05-23T06:13:52Z",
            format="date-time",
        ),
    ]
    occurred_at_text: Annotated[
        str | UnsetType,
        _is(
            "The time in the aggregator's own words; only if occurredAt is null although the aggregator sent a time.",
            "2036-06-02T10:00:00Z",
            maxLength=TIME_LENGTH,
        ),
    ] = UNSET
    received_at: Annotated[str, _is("Time of receipt, UTC.", "2023-05-23T06:13:53.250Z", format="date-time")]
    test: Annotated[bool, _is("A test of the aggregator's panel, or a test push of the operator: ignore it.")]
    shipment: NotificationShipment
    status: NotificationStatus
