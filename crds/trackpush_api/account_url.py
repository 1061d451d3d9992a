"""The URL to paste into an aggregator's panel. Pure."""

from trackpush_api.aggregators.profile import AggregatorProfile
from trackpush_api.routing import ServerSettings

NO_HOST = "HOST"
"""Placeholder of a server without a host for the aggregator."""


def account_url(server: ServerSettings, facts: AggregatorProfile) -> str:
    """The URL of an account of this aggregator. It shows the place of a key that the URL contains, not the key."""
    host = next((host.host for host in server.hosts if host.serves(facts.aggregator)), NO_HOST)
    return f"https://{host}{server.base_path}{facts.notify_path}"
