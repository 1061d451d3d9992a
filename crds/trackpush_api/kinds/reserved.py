"""Headers that a PushConfig can't set."""

from typing import Final

RESERVED: Final = frozenset(
    {
        "accept-encoding",
        "baggage",
        "connection",
        "content-encoding",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "traceparent",
        "tracestate",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "webhook-id",
        "webhook-signature",
        "webhook-timestamp",
    },
)
"""Headers that frame the message, describe its coding, belong to the connection, or are set for each push."""
RESERVED_PREFIX: Final = "trackpush-"
