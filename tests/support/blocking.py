"""Finds blocking calls on the event loop as blockbuster does, in a tenth of the time.

blockbuster compares the path of each frame of the stack with each module, at every call of some sixty functions. Here,
each path is compared once in a run.
"""

import asyncio
import inspect
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from blockbuster import blockbuster

Places = list[tuple[str, Iterable[str]]]
"""End of a file's path, and the functions in that file that may block."""


class _Checking(threading.local):
    """Whether the thread is already within a check, which may itself call such a function."""

    now = False


class _Scanned(dict[str, bool]):
    """Path of a file → whether a blocking call that it leads to fails the test."""

    def __init__(self, modules: Sequence[str], excluded: Sequence[str]) -> None:
        self._modules = tuple(modules)
        self._excluded = tuple(excluded)

    def __missing__(self, path: str) -> bool:
        found = self[path] = path.startswith(self._modules) and not path.startswith(self._excluded)
        return found


_checking = _Checking()


def install() -> None:
    """Let blockbuster use `wrap` for the functions that it patches from now on."""
    blockbuster._wrap_blocking = wrap


def wrap(  # noqa: PLR0917  blockbuster's signature
    modules: Sequence[str],
    excluded_modules: Sequence[str],
    blocking: Callable[..., Any],
    name: str,
    can_block_in: Places,
    can_block: Callable[..., bool],
) -> Callable[..., Any]:
    """A function that raises BlockingError where ``blocking`` would block an event loop, and otherwise calls it."""
    scanned = _Scanned(modules, excluded_modules)

    def wrapper(*arguments: Any, **named: Any) -> Any:
        if _checking.now or asyncio._get_running_loop() is None:
            return blocking(*arguments, **named)
        _checking.now = True
        try:
            if not can_block(*arguments, **named) and _is_blocked(scanned, can_block_in):
                raise blockbuster.BlockingError(name)
            return blocking(*arguments, **named)
        finally:
            _checking.now = False

    return wrapper


def _is_blocked(scanned: _Scanned, can_block_in: Places) -> bool:
    functions = {function for _, functions in can_block_in for function in functions}
    found = False
    frame = inspect.currentframe()
    while frame is not None:
        code = frame.f_code
        found = found or scanned[code.co_filename]
        if code.co_name in functions and _may_block(code.co_filename, code.co_name, can_block_in):
            return False
        frame = frame.f_back
    return found


def _may_block(path: str, function: str, can_block_in: Places) -> bool:
    return any(path.endswith(ending) and function in functions for ending, functions in can_block_in)
