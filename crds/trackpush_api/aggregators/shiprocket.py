"""Shiprocket; docs/aggregators/shiprocket.md."""

from typing import Final

from trackpush_api.aggregators.profile import AggregatorProfile, codes
from trackpush_api.vocabulary import RESERVED_PATH, Aggregator

PROFILE: Final = AggregatorProfile(
    aggregator=Aggregator.SHIPROCKET,
    path_segment=RESERVED_PATH,  # its panel refuses URLs that contain its own name
    key_headers=("x-api-key", "anx-api-key"),
    setup=(
        "In Shiprocket's panel: Settings, API, Webhooks. Enter the URL, and the key from the Secret into the token"
        " field."
    ),
    refused_in_urls=("shiprocket", "kartrocket", "sr", "kr"),  # its published collection, "Webhooks"
    codes=codes(
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
)
