"""The aggregators: one module each, pure functions from a request body to tracking updates.

What they send, and why it is read this way, stands in the aggregators' reference; section numbers in these modules are
its own.
"""

from trackpush_server.aggregators.compose import composable, compose
from trackpush_server.aggregators.document import decode
from trackpush_server.aggregators.errors import MalformedBodyError
from trackpush_server.aggregators.leftovers import mentions, printable
from trackpush_server.aggregators.parsed import Leftover, Parsed
from trackpush_server.aggregators.registry import body_key, parse

__all__ = [
    "Leftover",
    "MalformedBodyError",
    "Parsed",
    "body_key",
    "composable",
    "compose",
    "decode",
    "mentions",
    "parse",
    "printable",
]
