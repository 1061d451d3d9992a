"""Secrets of a WebhookServer. They depend on more than its spec, so `children` doesn't include them."""

import base64

from trackpush_api import shards
from trackpush_operator.desired.inputs import Body, metadata


def routing_secret(server: Body, name: str, content: bytes) -> Body:
    """One shard of the routing table, or its settings."""
    return _secret(server, f"routing-{name}", "routing", shards.FILE, content)


def admin_token_secret(server: Body, token: str) -> Body:
    """The Secret with the admin port's token."""
    return _secret(server, "admin-token", "admin", "token", token.encode())


def _secret(server: Body, suffix: str, component: str, key: str, content: bytes) -> Body:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata(server, f"{server['metadata']['name']}-{suffix}", component),
        "type": "Opaque",
        "data": {key: base64.b64encode(content).decode()},
    }
