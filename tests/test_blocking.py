"""A call that blocks the event loop fails the test, except where it may block (tests/support/blocking.py)."""

import asyncio
import os
import socket
from collections.abc import Callable
from typing import Any

import pytest
from blockbuster import BlockBuster, BlockingError

from trackpush_server import outbound, pusher

RECEIVED = f"{pusher.__path__[0]}/invented.py"
SYNCHRONOUS = f"{outbound.__path__[0]}/tls.py"


def function_in(path: str, call: Callable[[], Any] = lambda: os.stat("/")) -> Callable[[], Any]:  # noqa: PTH116  patched
    """A function `look` of a file with this path."""
    names: dict[str, Any] = {"call": call}
    exec(compile("def look(): return call()", path, "exec"), names)  # noqa: S102  its path is what matters
    return names["look"]  # type: ignore[no-any-return]


async def test_a_blocking_call_of_the_product_on_the_event_loop_fails() -> None:
    look = function_in(RECEIVED)
    with pytest.raises(BlockingError, match=r"os\.stat"):
        look()
    with pytest.raises(BlockingError, match=r"os\.stat"):
        function_in(__file__, look)()


async def test_a_module_that_is_made_for_threads_counts_only_if_the_product_calls_it_on_the_loop() -> None:
    look = function_in(SYNCHRONOUS)
    assert look()
    with pytest.raises(BlockingError, match=r"os\.stat"):
        function_in(RECEIVED, look)()


async def test_a_call_in_a_thread_does_not_block_the_loop() -> None:
    assert await asyncio.to_thread(function_in(RECEIVED))


def test_a_call_without_a_loop_blocks_none() -> None:
    assert function_in(RECEIVED)()


async def test_a_function_that_may_block_may_do_so_in_its_file_only(blocked_loop_detector: BlockBuster) -> None:
    function = blocked_loop_detector.functions["os.stat"]
    function.can_block_in("pusher/invented.py", "listen").can_block_in("pusher/other.py", "look")
    with pytest.raises(BlockingError, match=r"os\.stat"):
        function_in(RECEIVED)()
    function.can_block_in("pusher/invented.py", "look")
    assert function_in(RECEIVED)()
    with pytest.raises(BlockingError, match=r"os\.stat"):
        function_in(RECEIVED.replace("invented", "another"))()


async def test_only_a_socket_that_waits_blocks() -> None:
    ours, theirs = socket.socketpair()
    send = function_in(RECEIVED, lambda: ours.send(b"x"))
    with ours, theirs:
        ours.setblocking(False)
        assert send() == 1
        ours.setblocking(True)
        with pytest.raises(BlockingError, match=r"socket\.socket\.send"):
            send()
