"""The aggregators' profiles: one module for each aggregator."""

from collections.abc import Mapping
from typing import Final

from trackpush_api.aggregators import clickpost, shiprocket, shipway
from trackpush_api.aggregators.profile import AggregatorProfile
from trackpush_api.vocabulary import AggregatorName

PROFILES: Final[Mapping[AggregatorName, AggregatorProfile]] = {
    module.PROFILE.aggregator: module.PROFILE for module in (clickpost, shiprocket, shipway)
}

KEY_HEADERS: Final = tuple(dict.fromkeys(name for each in PROFILES.values() for name in each.key_headers))
"""Headers in which keys arrive.

Each is read for every aggregator, because people confuse them when they fill in a panel.
"""


def profile(aggregator: AggregatorName) -> AggregatorProfile:
    """The profile of a built-in aggregator."""
    return PROFILES[aggregator]
