"""Shipway's codes (§3.3). The numbers are those of the "PDF v3.1.2" list as integrators quote it."""

from typing import NamedTuple

from trackpush_api.vocabulary import NdrReason, Status
from trackpush_server.aggregators.taxonomy import by_label

S = Status
N = NdrReason


class Row(NamedTuple):
    """One code. ``number`` is its numeric form, "" where it has none; a code may be a number itself."""

    code: str
    number: str
    label: str
    status: Status
    reason: NdrReason | None = None


# In the comments: all = SW-NEXGEN, SW-CIKKA and SW-CUREKA agree on the code.
ROWS: tuple[Row, ...] = (
    Row("DEL", "1", "Delivered", S.DELIVERED),  # all
    Row("INT", "2", "In Transit", S.IN_TRANSIT),  # all
    Row("UND", "3", "Undelivered", S.DELIVERY_FAILED),  # all
    Row("RTO", "4", "RTO", S.RTO_IN_TRANSIT),  # all; start and transit are one code
    Row("RTD", "5", "RTO Delivered", S.RTO_DELIVERED),  # all
    Row("CAN", "6", "Cancelled", S.CANCELLED),  # all
    Row("SCH", "7", "Shipment Booked", S.CREATED),  # all
    Row("PKP", "8", "Picked Up", S.PICKED_UP),  # all
    Row("ONH", "9", "On Hold", S.ON_HOLD),  # all
    Row("OOD", "10", "Out for Delivery", S.OUT_FOR_DELIVERY),  # all
    Row("NWI", "11", "Network Issue", S.DELAYED),  # all
    Row("DNB", "12", "Delivery Next Day", S.DELAYED),  # all
    Row("NFI", "13", "Not Found/Incorrect", S.CREATED),  # all [U] (no scan yet)
    Row("ODA", "14", "Out of Delivery Area", S.DELIVERY_FAILED, N.OUT_OF_DELIVERY_AREA),  # all
    Row("OTH", "20", "Others", S.INFO),  # all
    Row("SMD", "21", "Delivery Delayed", S.DELAYED),  # all
    Row("22", "22", "Address Incorrect", S.DELIVERY_FAILED, N.ADDRESS_ISSUE),  # all
    Row("23", "23", "Delivery Attempted", S.DELIVERY_FAILED),  # all
    Row("24", "24", "Pending - Undelivered", S.DELIVERY_FAILED),  # all
    Row("25", "25", "Delivery Attempted-Premises Closed", S.DELIVERY_FAILED, N.CUSTOMER_UNAVAILABLE),  # all
    Row("CRTA", "26", "Customer Refused", S.DELIVERY_FAILED, N.REFUSED),  # all
    Row("CNA", "27", "Consignee Unavailable", S.DELIVERY_FAILED, N.CUSTOMER_UNAVAILABLE),  # all
    Row("DEX", "28", "Delivery Exception", S.DELIVERY_FAILED),  # all
    Row("DRE", "30", "Delivery Rescheduled", S.DELIVERY_FAILED, N.RESCHEDULED),  # all; SW-CUREKA: in transit
    Row("PNR", "31", "COD Payment Not Ready", S.DELIVERY_FAILED, N.PAYMENT_ISSUE),  # all
    Row("LOST", "32", "Lost", S.LOST),  # all
    Row("FDR", "", "Future Delivery Requested", S.DELIVERY_FAILED, N.RESCHEDULED),  # SW-NEXGEN, SW-CIKKA
    Row("PKF", "", "Pickup Failed", S.PICKUP_FAILED),  # SW-NEXGEN, SW-CIKKA, SW-CUREKA
    Row("PCAN", "", "Pickup Cancelled", S.CANCELLED),  # SW-NEXGEN, SW-CIKKA, SW-CUREKA, SW-R
    Row("OFP", "", "Out For Pickup", S.OUT_FOR_PICKUP),  # SW-NEXGEN, SW-CIKKA
    # SW-NEXGEN, SW-CIKKA, SW-R; SW-CUREKA: forward [U]
    Row("RSCH", "", "Return Pickup Scheduled", S.RETURN_PICKUP_PENDING),
    Row("RPSH", "", "Return Pickup Rescheduled", S.RETURN_PICKUP_PENDING),  # SW-NEXGEN, SW-CIKKA, SW-R
    Row("RSMD", "", "Return Pickup Delayed", S.RETURN_PICKUP_PENDING),  # SW-NEXGEN, SW-CIKKA, SW-R
    Row("ROOP", "", "Return Out for Pickup", S.RETURN_OUT_FOR_PICKUP),  # SW-NEXGEN, SW-CIKKA; SW-CUREKA: forward [U]
    Row("RPEX", "", "Reverse Pickup Exception", S.RETURN_PICKUP_FAILED),  # SW-NEXGEN, SW-CIKKA
    Row("RPF", "", "Pickup Failed", S.RETURN_PICKUP_FAILED),  # SW-R, SW-CUREKA [U: SW-CUREKA reads forward]
    # SW-NEXGEN, SW-CIKKA, SW-R; SW-CUREKA: forward [U]
    Row("RPKP", "", "Return Shipment Picked Up", S.RETURN_PICKED_UP),
    Row("RINT", "", "Return In Transit", S.RETURN_IN_TRANSIT),  # SW-NEXGEN, SW-CIKKA, SW-R; SW-CUREKA: RTO [U]
    Row("ROOD", "", "Return Out for Delivery", S.RETURN_OUT_FOR_DELIVERY),  # SW-NEXGEN, SW-CIKKA
    Row("RUND", "", "Return Undelivered", S.RETURN_DELIVERY_FAILED),  # SW-NEXGEN, SW-CIKKA
    Row("RDEL", "", "Return Delivered", S.RETURN_DELIVERED),  # SW-NEXGEN, SW-CIKKA, SW-R; SW-CUREKA: RTO [U]
    Row("RCAN", "", "Return Request Cancelled", S.RETURN_CANCELLED),  # SW-NEXGEN, SW-CIKKA, SW-R
    Row("RCLO", "", "Return Request Closed", S.RETURN_CLOSED),  # SW-NEXGEN, SW-CIKKA, SW-R
    Row("RAD", "", "Reached at Destination", S.AT_DESTINATION),  # SW-CUREKA [U: SW-CUREKA maps to out for delivery]
    Row("OFD", "", "Out for Delivery", S.OUT_FOR_DELIVERY),  # SW-CUREKA [U]
    Row("NFIDS", "", "Pending", S.CREATED),  # SW-R [U]
)

STATUSES: dict[str, Row] = {row.code: row for row in ROWS} | {row.number: row for row in ROWS if row.number}
"""Rows by either form of the code."""

LABELS: dict[str, Status] = by_label((row.label, row.status) for row in ROWS)
"""Status by folded label, for bodies without a code. "Pickup Failed" is left out: PKF and RPF share it."""
