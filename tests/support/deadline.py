"""Waiting for something to become true, with a bound: the tests' only way of waiting."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

_Found = TypeVar("_Found")
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


async def until_found(
    ask: Callable[[], Awaitable[_Found]], wanted: Callable[[_Found], bool], *, seconds: float = 30.0
) -> _Found:
    """Ask again and again until the answer is wanted, with pauses that leave the core to what is waited for.

    Raises:
        AssertionError: no answer was within the time; the message has the last one.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while not wanted(found := await ask()):
        assert loop.time() < end, f"not within {seconds:g} s: {found!r}"
        await asyncio.sleep(_PAUSE)
    return found
