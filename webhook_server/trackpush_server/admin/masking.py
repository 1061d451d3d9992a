"""What the role view doesn't get to see: all that may tell of a person. Pure.

Free texts and bodies are masked as a whole, by where they stand and not by how they look: a pattern that knows phone
numbers would still show names. What is left is what the pipeline itself has made: codes, times, AWBs, counts.
"""

import re
from typing import Any, Final

MASK: Final = "•••"
_TOLD_BY_ENDPOINT = re.compile(r"(?:token: )?HTTP \d{3}")
_PLAIN_SHIPMENT = frozenset({"awb", "orderId", "direction", "forwardAwb", "returnReference", "estimatedDelivery"})
_PLAIN_STATUS = frozenset({"code", "aggregatorCode", "terminal", "ndrReason"})
_PLAIN = frozenset({"id", "type", "aggregator", "occurredAt", "receivedAt", "test", "late"})


def error(text: str | None) -> str | None:
    """Why an attempt failed, without what the endpoint said: it may repeat what it was sent."""
    if text is None:
        return None
    told = _TOLD_BY_ENDPOINT.match(text)
    return text if told is None or told.end() == len(text) else f"{told[0]}: {MASK}"


def notification(content: Any) -> Any:
    """A canonical notification: the courier's words are masked."""
    if not isinstance(content, dict):
        return body(content)
    masked = {name: value if name in _PLAIN else body(value) for name, value in content.items()}
    for part, plain in (("shipment", _PLAIN_SHIPMENT), ("status", _PLAIN_STATUS)):
        if isinstance(content.get(part), dict):
            masked[part] = {name: value if name in plain else body(value) for name, value in content[part].items()}
    return masked


def body(content: Any) -> Any:
    """A body: its fields are there, each value is masked. null and empty stay, they tell of nobody."""
    if isinstance(content, dict):
        return {name: body(value) for name, value in content.items()}
    if isinstance(content, list):
        return [body(value) for value in content]
    return content if content is None or content == "" else MASK
