"""The aggregators: a folder each, with pure functions from a request body to tracking updates.

docs/aggregators/reference.md says what they send; section numbers in these modules are its own.
docs/add-an-aggregator.md is the checklist for another one.
"""

from trackpush_aggregators import strangers
from trackpush_aggregators.compose import composable, compose
from trackpush_aggregators.document import decode
from trackpush_aggregators.errors import MalformedBodyError, TooManyUpdatesError
from trackpush_aggregators.leftovers import mentions, printable
from trackpush_aggregators.parsed import Leftover, Parsed
from trackpush_aggregators.reader import Reader
from trackpush_aggregators.readers import BUILT_IN, Readers
from trackpush_aggregators.registry import STEP, body_key, parse, parse_in_steps
from trackpush_aggregators.strangers import Content
from trackpush_aggregators.taxonomy import filter_codes

__all__ = [
    "BUILT_IN",
    "STEP",
    "Content",
    "Leftover",
    "MalformedBodyError",
    "Parsed",
    "Reader",
    "Readers",
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
