"""Waiting for something to become true, with a bound: the tests' only way of waiting."""

import asyncio
from collections.abc import Callable

_PAUSE = 0.01


async def until(condition: Callable[[], bool], *, seconds: float, what: Callable[[], str] | str) -> None:
    """Return as soon as the condition holds.

    Raises:
        AssertionError: it did not within the time; ``what`` says what was awaited and how far it got.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while not condition():
        if loop.time() > end:
            detail = what if isinstance(what, str) else what()
            raise AssertionError(f"not within {seconds:g} s: {detail}")
        await asyncio.sleep(_PAUSE)
