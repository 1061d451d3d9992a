"""Shipway's codes (§3.3). The numbers are those of the "PDF v3.1.2" list as integrators quote it."""

from typing import NamedTuple

from trackpush_aggregators.taxonomy import by_label
from trackpush_api.vocabulary import NdrReason, Status

S = Status
N = NdrReason


class ShipwayRow(NamedTuple):
    """One code. ``number`` is its numeric form, "" where it has none; a code may be a number itself."""

    code: str
    number: str
    label: str
    status: Status
    reason: NdrReason | None = None


# In the comments: all = SW-NEXGEN, SW-CIKKA and SW-CUREKA agree on the code.
ROWS: tuple[ShipwayRow, ...] = (
    ShipwayRow("DEL", "1", "Delivered", S.DELIVERED),  # all
    ShipwayRow("INT", "2", "In Transit", S.IN_TRANSIT),  # all
    ShipwayRow("UND", "3", "Undelivered", S.DELIVERY_FAILED),  # all
    ShipwayRow("RTO", "4", "RTO", S.RTO_IN_TRANSIT),  # all; start and transit are one code
    ShipwayRow("RTD", "5", "RTO Delivered", S.RTO_DELIVERED),  # all
    ShipwayRow("CAN", "6", "Cancelled", S.CANCELLED),  # all
    ShipwayRow("SCH", "7", "Shipment Booked", S.CREATED),  # all
    ShipwayRow("PKP", "8", "Picked Up", S.PICKED_UP),  # all
    ShipwayRow("ONH", "9", "On Hold", S.ON_HOLD),  # all
    ShipwayRow("OOD", "10", "Out for Delivery", S.OUT_FOR_DELIVERY),  # all
    ShipwayRow("NWI", "11", "Network Issue", S.DELAYED),  # all
    ShipwayRow("DNB", "12", "Delivery Next Day", S.DELAYED),  # all
    ShipwayRow("NFI", "13", "Not Found/Incorrect", S.CREATED),  # all [U] (no scan yet)
    ShipwayRow("ODA", "14", "Out of Delivery Area", S.DELIVERY_FAILED, N.OUT_OF_DELIVERY_AREA),  # all
    ShipwayRow("OTH", "20", "Others", S.INFO),  # all
    ShipwayRow("SMD", "21", "Delivery Delayed", S.DELAYED),  # all
    ShipwayRow("22", "22", "Address Incorrect", S.DELIVERY_FAILED, N.ADDRESS_ISSUE),  # all
    ShipwayRow("23", "23", "Delivery Attempted", S.DELIVERY_FAILED),  # all
    ShipwayRow("24", "24", "Pending - Undelivered", S.DELIVERY_FAILED),  # all
    ShipwayRow("25", "25", "Delivery Attempted-Premises Closed", S.DELIVERY_FAILED, N.CUSTOMER_UNAVAILABLE),  # all
    ShipwayRow("CRTA", "26", "Customer Refused", S.DELIVERY_FAILED, N.REFUSED),  # all
    ShipwayRow("CNA", "27", "Consignee Unavailable", S.DELIVERY_FAILED, N.CUSTOMER_UNAVAILABLE),  # all
    ShipwayRow("DEX", "28", "Delivery Exception", S.DELIVERY_FAILED),  # all
    ShipwayRow("DRE", "30", "Delivery Rescheduled", S.DELIVERY_FAILED, N.RESCHEDULED),  # all; SW-CUREKA: in transit
    ShipwayRow("PNR", "31", "COD Payment Not Ready", S.DELIVERY_FAILED, N.PAYMENT_ISSUE),  # all
    ShipwayRow("LOST", "32", "Lost", S.LOST),  # all
    ShipwayRow("FDR", "", "Future Delivery Requested", S.DELIVERY_FAILED, N.RESCHEDULED),  # SW-NEXGEN, SW-CIKKA
    ShipwayRow("PKF", "", "Pickup Failed", S.PICKUP_FAILED),  # SW-NEXGEN, SW-CIKKA, SW-CUREKA
    ShipwayRow("PCAN", "", "Pickup Cancelled", S.CANCELLED),  # SW-NEXGEN, SW-CIKKA, SW-CUREKA, SW-R
    ShipwayRow("OFP", "", "Out For Pickup", S.OUT_FOR_PICKUP),  # SW-NEXGEN, SW-CIKKA
    # SW-NEXGEN, SW-CIKKA, SW-R; SW-CUREKA: forward [U]
    ShipwayRow("RSCH", "", "Return Pickup Scheduled", S.RETURN_PICKUP_PENDING),
    ShipwayRow("RPSH", "", "Return Pickup Rescheduled", S.RETURN_PICKUP_PENDING),  # SW-NEXGEN, SW-CIKKA, SW-R
    ShipwayRow("RSMD", "", "Return Pickup Delayed", S.RETURN_PICKUP_PENDING),  # SW-NEXGEN, SW-CIKKA, SW-R
    ShipwayRow(
        "ROOP", "", "Return Out for Pickup", S.RETURN_OUT_FOR_PICKUP
    ),  # SW-NEXGEN, SW-CIKKA; SW-CUREKA: forward [U]
    ShipwayRow("RPEX", "", "Reverse Pickup Exception", S.RETURN_PICKUP_FAILED),  # SW-NEXGEN, SW-CIKKA
    ShipwayRow("RPF", "", "Pickup Failed", S.RETURN_PICKUP_FAILED),  # SW-R, SW-CUREKA [U: SW-CUREKA reads forward]
    # SW-NEXGEN, SW-CIKKA, SW-R; SW-CUREKA: forward [U]
    ShipwayRow("RPKP", "", "Return Shipment Picked Up", S.RETURN_PICKED_UP),
    ShipwayRow("RINT", "", "Return In Transit", S.RETURN_IN_TRANSIT),  # SW-NEXGEN, SW-CIKKA, SW-R; SW-CUREKA: RTO [U]
    ShipwayRow("ROOD", "", "Return Out for Delivery", S.RETURN_OUT_FOR_DELIVERY),  # SW-NEXGEN, SW-CIKKA
    ShipwayRow("RUND", "", "Return Undelivered", S.RETURN_DELIVERY_FAILED),  # SW-NEXGEN, SW-CIKKA
    ShipwayRow("RDEL", "", "Return Delivered", S.RETURN_DELIVERED),  # SW-NEXGEN, SW-CIKKA, SW-R; SW-CUREKA: RTO [U]
    ShipwayRow("RCAN", "", "Return Request Cancelled", S.RETURN_CANCELLED),  # SW-NEXGEN, SW-CIKKA, SW-R
    ShipwayRow("RCLO", "", "Return Request Closed", S.RETURN_CLOSED),  # SW-NEXGEN, SW-CIKKA, SW-R
    ShipwayRow(
        "RAD", "", "Reached at Destination", S.AT_DESTINATION
    ),  # SW-CUREKA [U: SW-CUREKA maps to out for delivery]
    ShipwayRow("OFD", "", "Out for Delivery", S.OUT_FOR_DELIVERY),  # SW-CUREKA [U]
    ShipwayRow("NFIDS", "", "Pending", S.CREATED),  # SW-R [U]
)

STATUSES: dict[str, ShipwayRow] = {row.code: row for row in ROWS} | {row.number: row for row in ROWS if row.number}
"""Rows by either form of the code."""

LABELS: dict[str, Status] = by_label((row.label, row.status) for row in ROWS)
"""Status by folded label, for bodies without a code. "Pickup Failed" is left out: PKF and RPF share it."""
