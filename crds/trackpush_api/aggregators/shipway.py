"""Shipway; docs/aggregators/shipway.md."""

from typing import Final

from trackpush_api.aggregators.profile import AggregatorProfile, codes
from trackpush_api.vocabulary import Aggregator

PROFILE: Final = AggregatorProfile(
    aggregator=Aggregator.SHIPWAY,
    path_segment="shipway",
    key_headers=("x-api-key",),
    key_in_url=True,
    key_member="hash",
    setup=(
        "Replace <key> in the URL with the key from the Secret and send the URL to Shipway's team, who configure it"
        " at their end."
    ),
    codes=codes(
        CREATED="SCH NFI NFIDS 7 13",
        OUT_FOR_PICKUP="OFP",
        PICKUP_FAILED="PKF",
        PICKED_UP="PKP 8",
        IN_TRANSIT="INT 2",
        AT_DESTINATION="RAD",
        DELAYED="NWI DNB SMD 11 12 21",
        ON_HOLD="ONH 9",
        OUT_FOR_DELIVERY="OOD OFD 10",
        DELIVERY_FAILED="UND ODA 22 23 24 25 CRTA CNA DEX DRE PNR FDR 3 14 26 27 28 30 31",
        DELIVERED="DEL 1",
        CANCELLED="CAN PCAN 6",
        LOST="LOST 32",
        RTO_IN_TRANSIT="RTO 4",
        RTO_DELIVERED="RTD 5",
        RETURN_PICKUP_PENDING="RSCH RPSH RSMD",
        RETURN_OUT_FOR_PICKUP="ROOP",
        RETURN_PICKUP_FAILED="RPEX RPF",
        RETURN_PICKED_UP="RPKP",
        RETURN_IN_TRANSIT="RINT",
        RETURN_OUT_FOR_DELIVERY="ROOD",
        RETURN_DELIVERY_FAILED="RUND",
        RETURN_DELIVERED="RDEL",
        RETURN_CANCELLED="RCAN",
        RETURN_CLOSED="RCLO",
        INFO="OTH 20",
    ),
)
