"""Answers probes, by which a panel learns that the URL exists, and `trackpush doctor` which headers a proxy passes on.

The answer contains only names of headers of this request, so the caller learns nothing new, and nothing about keys.
"""

from typing import Final

import msgspec

from trackpush_server.receiver import answers, keys
from trackpush_server.receiver.answers import Response
from trackpush_server.receiver.served_aggregators import ServedAggregator

DOCTOR: Final = "Trackpush-Doctor"
"""The header with which `trackpush doctor` requests the names.

It has no underscore, because some proxies drop such headers.
"""


def answer(headers: keys.Headers, served: ServedAggregator) -> Response:
    """200, nothing stored. If the header `DOCTOR` is present, the answer names the key headers that have arrived."""
    if DOCTOR not in headers:
        return answers.PROBE
    names = dict.fromkeys((*keys.HEADER_NAMES, *served.header_names))
    arrived = [name for name in names if name in headers]
    return Response(200, msgspec.json.encode({"accepted": 0, "duplicates": 0, "arrived": arrived}))
