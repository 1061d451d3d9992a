"""Fails the test that leaves something open behind it, and not the innocent one that runs when it is collected.

What a fixture of a module or of the session opens is not a test's: those fixtures start before this one. But such a
fixture's server keeps connections that come later, so descriptors and threads are looked at in unit tests only.
"""

import asyncio
import gc
import os
import threading
import weakref
from collections.abc import Iterator
from typing import Any, NamedTuple

import aiohttp
import pytest
import structlog

from support.tiers import is_unit

_DESCRIPTORS = "/proc/self/fd"
_LAST_STEPS = 5.0
"""Seconds in which a thread must end that was asked to."""
_LEAKABLE = ("socket:", "pipe:", "anon_inode:[event")
"""Open files are left to Python's own ResourceWarning: libraries keep some, such as zone data."""
_sessions: weakref.WeakSet[aiohttp.ClientSession] = weakref.WeakSet()
_loops: weakref.WeakSet[asyncio.AbstractEventLoop] = weakref.WeakSet()


class State(NamedTuple):
    """What a test must leave as it was."""

    environment: dict[bytes, bytes]
    folder: str
    sessions: frozenset[aiohttp.ClientSession]
    loops: frozenset[asyncio.AbstractEventLoop]
    threads: frozenset[threading.Thread]
    descriptors: frozenset[str]

    @classmethod
    def now(cls) -> "State":
        """The state of this process."""
        return cls(
            environment=_environment(),
            folder=os.getcwd(),  # noqa: PTH109  a deleted folder must not raise here
            sessions=frozenset(session for session in _sessions if not session.closed),
            loops=frozenset(_open_loops()),
            threads=frozenset(thread for thread in threading.enumerate() if not thread.daemon),
            descriptors=frozenset(_open_descriptors()),
        )

    @classmethod
    def certain(cls) -> "State":
        """What no fixture of a wider scope can explain: a session counts once its event loop is closed."""
        now, nothing = cls.now(), frozenset[Any]()
        orphans = frozenset(session for session in now.sessions if session._loop.is_closed())
        return now._replace(sessions=orphans, loops=nothing, threads=nothing, descriptors=nothing)

    def leaks_since(self, before: "State") -> list[str]:
        """What was left, one phrase for each kind."""
        changed = [
            name
            for name in before.environment.keys() | self.environment.keys()
            if before.environment.get(name) != self.environment.get(name)
        ]
        found = {
            "environment variables": sorted(map(os.fsdecode, changed)),
            "current folder": [self.folder] if self.folder != before.folder else [],
            "aiohttp ClientSessions that are not closed": list(self.sessions - before.sessions),
            "event loops that are not closed": list(self.loops - before.loops),
            "threads": list(self.threads - before.threads),
            "open descriptors": sorted(self.descriptors - before.descriptors),
        }
        return [f"{kind}: {', '.join(map(str, things))}" for kind, things in found.items() if things]


def _open_loops() -> list[asyncio.AbstractEventLoop]:
    """Those that are closed are forgotten: until they are collected, there are hundreds, and each test would look."""
    made = list(_loops)
    still_open = [loop for loop in made if not loop.is_closed()]
    if len(still_open) < len(made):
        _loops.difference_update([loop for loop in made if loop.is_closed()])
    return still_open


def _environment() -> dict[bytes, bytes]:
    environment = dict(os.environ._data)  # what os.environ encodes and decodes, one variable after the other
    environment.pop(b"PYTEST_CURRENT_TEST", None)
    return environment


def _open_descriptors() -> Iterator[str]:
    for name in os.listdir(_DESCRIPTORS):  # noqa: PTH208  twice as fast, and it is done twice for each test
        try:
            target = os.readlink(f"{_DESCRIPTORS}/{name}")  # noqa: PTH115  same
        except OSError:  # the listing's own
            continue
        if target.startswith(_LEAKABLE):
            yield f"{name} → {target}"


def pytest_configure() -> None:
    """Remember every session and loop that is made."""
    _register(aiohttp.ClientSession, _sessions)
    _register(asyncio.BaseEventLoop, _loops)


def _register(kind: type, made: "weakref.WeakSet[Any]") -> None:
    original = kind.__init__

    def init(self: Any, *arguments: Any, **named: Any) -> None:
        original(self, *arguments, **named)
        made.add(self)

    kind.__init__ = init  # type: ignore[misc]


@pytest.fixture(autouse=True)
def leak_detector(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail the test if it leaves anything open or changed. How it configured the logs is undone."""
    look = State.now if is_unit(request.node) else State.certain
    before, logs_configured = look(), structlog.is_configured()
    yield
    if not logs_configured:
        structlog.reset_defaults()
    after = look()
    leaks = after.leaks_since(before)
    if leaks:
        for thread in after.threads - before.threads:
            thread.join(_LAST_STEPS)  # an executor that was shut down lets its threads end by themselves
        leaks = look().leaks_since(before)
    if leaks:
        gc.collect()  # what was only waiting to be collected warns now, which fails this test
        leaks = look().leaks_since(before)
    assert not leaks, "the test leaves behind " + "; ".join(leaks)
