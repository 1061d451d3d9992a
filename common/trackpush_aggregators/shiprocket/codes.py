"""Shiprocket's two id spaces (§2.3 and §2.4): the same number means different things in them.

``current_status_id`` is an order status, ``shipment_status_id`` a shipment status; each is looked up in its own table.
Both give the forward reading; on a return `trackpush_aggregators.taxonomy.RETURN_OF` applies (the is_return 1
column of §2.3 says exactly that).
"""

from trackpush_aggregators.taxonomy import by_label
from trackpush_api.vocabulary import Status

S = Status

# Source: SR-SHIP. Not found: 28-37, 53, 58, 64-66, 69, 70, 73, 74.
SHIPMENT_STATUSES: dict[int, tuple[str, Status]] = {
    1: ("AWB Assigned", S.CREATED),
    2: ("Label Generated", S.CREATED),
    3: ("Pickup Scheduled/Generated", S.PICKUP_PENDING),
    4: ("Pickup Queued", S.PICKUP_PENDING),
    5: ("Manifest Generated", S.CREATED),
    6: ("Shipped", S.IN_TRANSIT),
    7: ("Delivered", S.DELIVERED),
    8: ("Cancelled", S.CANCELLED),
    9: ("RTO Initiated", S.RTO_INITIATED),
    10: ("RTO Delivered", S.RTO_DELIVERED),
    11: ("Pending", S.PICKUP_PENDING),  # [U]
    12: ("Lost", S.LOST),
    13: ("Pickup Error", S.PICKUP_FAILED),
    14: ("RTO Acknowledged", S.RTO_DELIVERED),  # [U: seller acknowledged]
    15: ("Pickup Rescheduled", S.PICKUP_PENDING),
    16: ("Cancellation Requested", S.INFO),  # the state stays
    17: ("Out For Delivery", S.OUT_FOR_DELIVERY),
    18: ("In Transit", S.IN_TRANSIT),
    19: ("Out For Pickup", S.OUT_FOR_PICKUP),
    20: ("Pickup Exception", S.PICKUP_FAILED),
    21: ("Undelivered", S.DELIVERY_FAILED),
    22: ("Delayed", S.DELAYED),
    23: ("Partial Delivered", S.DELIVERED),  # [U], the raw body tells
    24: ("Destroyed", S.DAMAGED),
    25: ("Damaged", S.DAMAGED),
    26: ("Fulfilled", S.DELIVERED),  # [U]
    27: ("Pickup Booked", S.PICKUP_PENDING),
    38: ("Reached at Destination (Hub)", S.AT_DESTINATION),
    39: ("Misrouted", S.DELAYED),
    40: ("RTO_NDR", S.RTO_FAILED),
    41: ("RTO_OFD", S.RTO_OUT_FOR_DELIVERY),
    42: ("Picked Up", S.PICKED_UP),
    43: ("Self Fulfilled", S.INFO),  # [U]
    44: ("Disposed Off", S.DAMAGED),  # [U]
    45: ("Cancelled Before Dispatched", S.CANCELLED),
    46: ("RTO In Transit", S.RTO_IN_TRANSIT),
    47: ("QC Failed", S.RETURN_QC_FAILED),
    48: ("Reached Warehouse", S.IN_TRANSIT),
    49: ("Custom Cleared", S.IN_TRANSIT),
    50: ("In Flight", S.IN_TRANSIT),
    51: ("Handover to Courier", S.PICKED_UP),
    52: ("Shipment Booked", S.CREATED),
    54: ("In Transit Overseas", S.IN_TRANSIT),
    55: ("Connection Aligned", S.IN_TRANSIT),
    56: ("Reached Overseas Warehouse", S.IN_TRANSIT),
    57: ("Custom Cleared Overseas", S.IN_TRANSIT),
    59: ("Box Packing", S.CREATED),
    60: ("FC Allocated", S.CREATED),
    61: ("Picklist Generated", S.CREATED),
    62: ("Ready To Pack", S.CREATED),
    63: ("Packed", S.CREATED),
    67: ("FC Manifest Generated", S.CREATED),
    68: ("Processed at Warehouse", S.CREATED),
    71: ("Handover Exception", S.PICKUP_FAILED),  # [U]
    72: ("Packed Exception", S.ON_HOLD),  # [U]
    75: ("RTO Lock", S.RTO_INITIATED),  # [U]
    76: ("Untraceable", S.LOST),  # [U]
    77: ("Issue Related to the Recipient", S.DELIVERY_FAILED),
    78: ("Reached Back at Seller City", S.RTO_IN_TRANSIT),
    # Hyperlocal [U: integrators only].
    79: ("Rider Assigned", S.INFO),
    80: ("Rider Unassigned", S.INFO),
    81: ("Rider Assigned", S.INFO),
    82: ("Reached at Drop", S.INFO),
    83: ("Searching for Rider", S.INFO),
}

# Source: SR-ORD; 70-90 in integrators' tables only.
ORDER_STATUSES: dict[int, tuple[str, Status]] = {
    1: ("New", S.CREATED),
    2: ("Invoiced", S.CREATED),
    3: ("Ready To Ship", S.CREATED),
    4: ("Pickup Scheduled", S.PICKUP_PENDING),
    5: ("Canceled", S.CANCELLED),
    6: ("Shipped", S.IN_TRANSIT),
    7: ("Delivered", S.DELIVERED),
    8: ("ePayment Failed", S.INFO),
    9: ("Returned", S.RTO_DELIVERED),  # [U]
    10: ("Unmapped", S.UNKNOWN),
    11: ("Unfulfillable", S.INFO),
    12: ("Pickup Queue", S.PICKUP_PENDING),
    13: ("Pickup Rescheduled", S.PICKUP_PENDING),
    14: ("Pickup Error", S.PICKUP_FAILED),
    15: ("RTO Initiated", S.RTO_INITIATED),
    16: ("RTO Delivered", S.RTO_DELIVERED),
    17: ("RTO Acknowledged", S.RTO_DELIVERED),  # [U]
    18: ("Cancellation Requested", S.INFO),
    19: ("Out for Delivery", S.OUT_FOR_DELIVERY),
    20: ("In Transit", S.IN_TRANSIT),
    21: ("Return Pending", S.RETURN_REQUESTED),
    22: ("Return Initiated", S.RETURN_APPROVED),  # [U]
    23: ("Return Pickup Queued", S.RETURN_PICKUP_PENDING),
    24: ("Return Pickup Error", S.RETURN_PICKUP_FAILED),
    25: ("Return In Transit", S.RETURN_IN_TRANSIT),
    26: ("Return Delivered", S.RETURN_DELIVERED),
    27: ("Return Cancelled", S.RETURN_CANCELLED),
    28: ("Return Pickup Generated", S.RETURN_PICKUP_PENDING),
    29: ("Return Cancellation Requested", S.INFO),
    30: ("Return Pickup Cancelled", S.RETURN_CANCELLED),
    31: ("Return Pickup Rescheduled", S.RETURN_PICKUP_PENDING),
    32: ("Return Picked Up", S.RETURN_PICKED_UP),
    33: ("Lost", S.LOST),
    34: ("Out For Pickup", S.OUT_FOR_PICKUP),
    35: ("Pickup Exception", S.PICKUP_FAILED),
    36: ("Undelivered", S.DELIVERY_FAILED),
    37: ("Delayed", S.DELAYED),
    38: ("Partial Delivered", S.DELIVERED),  # [U]
    39: ("Destroyed", S.DAMAGED),
    40: ("Damaged", S.DAMAGED),
    41: ("Fulfilled", S.DELIVERED),  # [U]
    42: ("Archived", S.INFO),
    43: ("Reached Destination Hub", S.AT_DESTINATION),
    44: ("Misrouted", S.DELAYED),
    45: ("RTO_OFD", S.RTO_OUT_FOR_DELIVERY),
    46: ("RTO_NDR", S.RTO_FAILED),
    47: ("Return Out For Pickup", S.RETURN_OUT_FOR_PICKUP),
    48: ("Return Out For Delivery", S.RETURN_OUT_FOR_DELIVERY),
    49: ("Return Pickup Exception", S.RETURN_PICKUP_FAILED),
    50: ("Return Undelivered", S.RETURN_DELIVERY_FAILED),
    51: ("Picked Up", S.PICKED_UP),
    52: ("Self Fulfilled", S.INFO),  # [U]
    53: ("Disposed Off", S.DAMAGED),  # [U]
    54: ("Canceled before Dispatched", S.CANCELLED),
    55: ("RTO In-Transit", S.RTO_IN_TRANSIT),
    57: ("QC Failed", S.RETURN_QC_FAILED),
    58: ("Reached Warehouse", S.IN_TRANSIT),
    59: ("Custom Cleared", S.IN_TRANSIT),
    60: ("In Flight", S.IN_TRANSIT),
    61: ("Handover to Courier", S.PICKED_UP),
    62: ("Booked", S.CREATED),
    64: ("In Transit Overseas", S.IN_TRANSIT),
    65: ("Connection Aligned", S.IN_TRANSIT),
    66: ("Reached Overseas Warehouse", S.IN_TRANSIT),
    67: ("Custom Cleared Overseas", S.IN_TRANSIT),
    68: ("Return Acknowledged", S.RETURN_DELIVERED),  # [U]
    69: ("Box Packing", S.CREATED),
    70: ("Pickup Booked", S.PICKUP_PENDING),
    71: ("Darkstore Scheduled", S.CREATED),
    72: ("Allocation in Progress", S.CREATED),
    73: ("FC Allocated", S.CREATED),
    74: ("Picklist Generated", S.CREATED),
    75: ("Ready to Pack", S.CREATED),
    76: ("Packed", S.CREATED),
    80: ("FC Manifest Generated", S.CREATED),
    81: ("Processed at Warehouse", S.CREATED),
    82: ("Packed Exception", S.ON_HOLD),  # [U]
    83: ("Handover Exception", S.PICKUP_FAILED),  # [U]
    87: ("RTO_LOCK", S.RTO_INITIATED),  # [U]
    88: ("UNTRACEABLE", S.LOST),  # [U]
    89: ("ISSUE_RELATED_TO_THE_RECIPIENT", S.DELIVERY_FAILED),
    90: ("REACHED_BACK_AT_SELLER_CITY", S.RTO_IN_TRANSIT),
}

RETURN_ORDER_STATUSES = frozenset({*range(21, 33), *range(47, 51), 68})
"""Order statuses that only a return has (§2.5)."""

# §2.5: spellings seen on the wire (integrators).
_VARIANTS: tuple[tuple[str, Status], ...] = (
    ("IN TRANSIT-AT DESTINATION HUB", S.AT_DESTINATION),
    ("REACHED AT DESTINATION", S.AT_DESTINATION),
    ("REACHED AT DESTINATION HUB", S.AT_DESTINATION),
    ("UNDELIVERED-1ST ATTEMPT", S.DELIVERY_FAILED),
    ("UNDELIVERED-2ND ATTEMPT", S.DELIVERY_FAILED),
    ("UNDELIVERED-3RD ATTEMPT", S.DELIVERY_FAILED),
    ("SELF FULFILED", S.INFO),
    ("CANCELED", S.CANCELLED),
    ("CANCELLED", S.CANCELLED),
    ("CANCELLED BEFORE DISPATCHED", S.CANCELLED),
    ("RTO IN INTRANSIT", S.RTO_IN_TRANSIT),
    ("PICKUP SCHEDULED", S.PICKUP_PENDING),
    ("PICKUP GENERATED", S.PICKUP_PENDING),
    ("IN TRANSIT-EN-ROUTE", S.IN_TRANSIT),
    ("RETURN ACKNOWLEGED", S.RETURN_DELIVERED),  # misspelt so on the wire
    ("RETURN REJECTED", S.RETURN_REJECTED),
)

LABELS: dict[str, Status] = by_label((*SHIPMENT_STATUSES.values(), *ORDER_STATUSES.values(), *_VARIANTS))
"""Status by folded label, for bodies whose id is absent or new."""
