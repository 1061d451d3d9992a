"""Checks names of aggregators against those that a server knows. Pure."""

from collections.abc import Collection

from trackpush_api.suggestions import did_you_mean
from trackpush_api.vocabulary import AggregatorName


def objection_to_name(name: AggregatorName, known: Collection[AggregatorName]) -> str | None:
    """Why no aggregator has this name, or None if one has it."""
    if name in known:
        return None
    return f"there is no aggregator {name!r}{did_you_mean(name, known)}"
