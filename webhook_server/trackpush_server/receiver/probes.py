"""Answers probes: a GET shows a panel that the URL exists, and shows `trackpush doctor` which headers a proxy passes.

Only names of this request's headers are shown: nothing that the caller doesn't know, and nothing about keys.
"""

from typing import Final

import msgspec

from trackpush_server.receiver import answers, keys
from trackpush_server.receiver.answers import Response
from trackpush_server.receiver.served_aggregators import ServedAggregator

DOCTOR: Final = "Trackpush-Doctor"
"""Asks for it; without an underscore, so that it passes where ``webhook_key`` does not."""


def answer(headers: keys.Headers, served: ServedAggregator) -> Response:
    """200, nothing stored; with `DOCTOR`, also which of the headers that may carry a key have arrived."""
    if DOCTOR not in headers:
        return answers.PROBE
    names = dict.fromkeys((*keys.HEADER_NAMES, *served.header_names))
    arrived = [name for name in names if name in headers]
    return Response(200, msgspec.json.encode({"accepted": 0, "duplicates": 0, "arrived": arrived}))
