"""Masks personal data for the role view. Pure.

Free texts and bodies are masked completely, because a pattern that recognises phone numbers would still show names.
Values that the pipeline itself creates remain: codes, times, AWBs, counts.
"""

import re
from typing import Any, Final

MASK: Final = "•••"
_TOLD_BY_ENDPOINT = re.compile(r"(?:token: )?HTTP \d{3}")
_PLAIN_SHIPMENT = frozenset(
    {
        "awb",
        "orderId",
        "direction",
        "forwardAwb",
        "returnReference",
        "estimatedDelivery",
        "revisedDelivery",
        "returnAwb",
    }
)
_PLAIN_STATUS = frozenset({"code", "aggregatorCode", "terminal", "ndrReason", "attempt", "qcResult", "otpVerified"})
_CODES = frozenset({"aggregatorCode", "ndrReason"})
_CODE = re.compile(r"(?!.*[0-9]{7})(?=.{1,32}\Z)[A-Z0-9]+(?:[_-][A-Z0-9]+)*")
"""A code: neither words with lower-case letters or spaces, nor a phone number."""
_DEEPEST = 64
_PLAIN = frozenset({"id", "type", "aggregator", "occurredAt", "receivedAt", "test", "late"})


def error(text: str | None) -> str | None:
    """The error of an attempt, without the endpoint's text, which may repeat the request."""
    if text is None:
        return None
    told = _TOLD_BY_ENDPOINT.match(text)
    return text if told is None or told.end() == len(text) else f"{told[0]}: {MASK}"


def notification(content: Any) -> Any:
    """A canonical notification with the courier's texts, codes that look like words, and the inner body masked."""
    if not isinstance(content, dict):
        return body(content)
    masked = {name: value if name in _PLAIN else _member(name, value) for name, value in content.items()}
    for part, plain in (("shipment", _PLAIN_SHIPMENT), ("status", _PLAIN_STATUS)):
        if isinstance(content.get(part), dict):
            masked[part] = {name: value if name in plain else _values(value) for name, value in content[part].items()}
    if isinstance(content.get("status"), dict):
        masked["status"] |= {name: code(content["status"][name]) for name in _CODES & content["status"].keys()}
    return masked


def code(value: Any) -> Any:
    """An aggregator's code if it looks like one, such as ``8``, ``DL`` or ``RTO_DELIVERED``. Other text is masked."""
    return value if value is None or value == "" or _CODE.fullmatch(str(value)) else MASK


def body(content: Any) -> Any:
    """Only the structure of a body. Names of members are masked, too, because an aggregator may put data there."""
    return _values(content, names=False)


def _member(name: str, value: Any) -> Any:
    return body(value) if name == "raw" else _values(value)


def _values(content: Any, *, names: bool = True, depth: int = 0) -> Any:
    """Mask each value, except null and empty ones."""
    if isinstance(content, dict | list) and depth >= _DEEPEST:
        return MASK
    if isinstance(content, dict):
        return {
            name if names else f"{MASK}{number}": _values(value, names=names, depth=depth + 1)
            for number, (name, value) in enumerate(content.items(), start=1)
        }
    if isinstance(content, list):
        return [_values(value, names=names, depth=depth + 1) for value in content]
    return content if content is None or content == "" else MASK
