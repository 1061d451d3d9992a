"""The codes that the aggregators are known to send, by what they usually mean: for suggestions, never for parsing.

The tables by which bodies are read are the server's (`trackpush_server.aggregators.tables`); a test holds both equal.
Of a status's codes the usual one is first.
"""

from collections.abc import Mapping
from typing import Final

from trackpush_api.vocabulary import Aggregator, Status


def _codes(**by_status: str) -> Mapping[Status, tuple[str, ...]]:
    return {Status(status): tuple(codes.split()) for status, codes in by_status.items()}


CODES: Final[Mapping[Aggregator, Mapping[Status, tuple[str, ...]]]] = {
    Aggregator.CLICKPOST: _codes(
        CREATED="1 28",
        PICKUP_PENDING="2",
        OUT_FOR_PICKUP="25",
        PICKUP_FAILED="3",
        PICKED_UP="4",
        IN_TRANSIT="5 1005 1006",
        AT_DESTINATION="1004",
        DELAYED="18",
        ON_HOLD="19 20",
        OUT_FOR_DELIVERY="6",
        DELIVERY_FAILED="7 9",
        DELIVERED="8",
        CANCELLED="10",
        LOST="16",
        DAMAGED="17",
        EXPIRED="23",
        RTO_INITIATED="11 12",
        RTO_IN_TRANSIT="21 26 27",
        RTO_OUT_FOR_DELIVERY="13",
        RTO_FAILED="15",
        RTO_DELIVERED="14",
        RETURN_REQUESTED="101",
        RETURN_APPROVED="102",
        EXCHANGE_PICKED_UP="30",
        EXCHANGE_IN_TRANSIT="31",
        EXCHANGE_DELIVERED="32",
    ),
    Aggregator.SHIPROCKET: _codes(
        CREATED="1 2 3 62 69 71 72 73 74 75 76 80 81 5 52 59 60 61 63 67 68",
        PICKUP_PENDING="4 12 13 70 3 11 15 27",
        OUT_FOR_PICKUP="34 19",
        PICKUP_FAILED="14 35 83 13 20 71",
        PICKED_UP="51 61 42",
        IN_TRANSIT="6 20 58 59 60 64 65 66 67 18 48 49 50 54 55 56 57",
        AT_DESTINATION="43 38",
        DELAYED="37 44 22 39",
        ON_HOLD="82 72",
        OUT_FOR_DELIVERY="19 17",
        DELIVERY_FAILED="36 89 21 77",
        DELIVERED="7 38 41 23 26",
        CANCELLED="5 54 8 45",
        LOST="33 88 12 76",
        DAMAGED="39 40 53 24 25 44",
        RTO_INITIATED="15 87 9 75",
        RTO_IN_TRANSIT="55 90 46 78",
        RTO_OUT_FOR_DELIVERY="45 41",
        RTO_FAILED="46 40",
        RTO_DELIVERED="9 16 17 10 14",
        RETURN_REQUESTED="21",
        RETURN_APPROVED="22",
        RETURN_PICKUP_PENDING="23 28 31",
        RETURN_OUT_FOR_PICKUP="47",
        RETURN_PICKUP_FAILED="24 49",
        RETURN_PICKED_UP="32",
        RETURN_IN_TRANSIT="25",
        RETURN_OUT_FOR_DELIVERY="48",
        RETURN_DELIVERY_FAILED="50",
        RETURN_DELIVERED="26 68",
        RETURN_QC_FAILED="57 47",
        RETURN_CANCELLED="27 30",
        INFO="8 11 18 29 42 52 16 43 79 80 81 82 83",
        UNKNOWN="10",
    ),
    Aggregator.SHIPWAY: _codes(
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
}


def meanings(code: str, aggregator: Aggregator) -> tuple[Status, ...]:
    """What a code may mean; none for an unknown one, several where an aggregator has two spaces of numbers."""
    return tuple(status for status, codes in CODES[aggregator].items() if code in codes)
