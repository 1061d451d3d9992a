"""Clickpost; docs/aggregators/clickpost.md."""

from typing import Final

from trackpush_api.aggregators.profile import AggregatorProfile, codes
from trackpush_api.vocabulary import Aggregator

PROFILE: Final = AggregatorProfile(
    aggregator=Aggregator.CLICKPOST,
    path_segment="clickpost",
    key_headers=("webhook_key", "webhook-key"),
    setup=(
        "In Clickpost's panel: Settings, tab Notification, section Webhooks: Selected status. Choose the statuses,"
        " enter the URL, and put the key that the page generates into the Secret."
    ),
    codes=codes(
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
)
