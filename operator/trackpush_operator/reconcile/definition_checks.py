"""Checks AggregatorDefinitions by their samples, in a thread: a large one takes longer than the event loop may wait."""

import asyncio

from trackpush_operator.compile.definitions import Definitions


async def check_definitions(definitions: Definitions, namespace: str) -> None:
    """Check the definitions of a namespace whose present versions were not checked yet."""
    for item in definitions.unchecked(namespace):
        definitions.take_check(item, await asyncio.to_thread(definitions.check, item))
