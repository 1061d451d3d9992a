"""The aggregators: one module each, pure functions from a request body to tracking updates.

The aggregators' reference says what they send and why it is read this way.
Section numbers in these modules are those of the reference.
"""

from trackpush_server.aggregators import strangers
from trackpush_server.aggregators.compose import composable, compose
from trackpush_server.aggregators.document import decode
from trackpush_server.aggregators.errors import MalformedBodyError, TooManyUpdatesError
from trackpush_server.aggregators.leftovers import mentions, printable
from trackpush_server.aggregators.parsed import Leftover, Parsed
from trackpush_server.aggregators.registry import STEP, body_key, parse, parse_in_steps
from trackpush_server.aggregators.strangers import Content
from trackpush_server.aggregators.taxonomy import filter_codes

__all__ = [
    "STEP",
    "Content",
    "Leftover",
    "MalformedBodyError",
    "Parsed",
    "TooManyUpdatesError",
    "body_key",
    "composable",
    "compose",
    "decode",
    "filter_codes",
    "mentions",
    "parse",
    "parse_in_steps",
    "printable",
    "strangers",
]
