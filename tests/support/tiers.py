"""Tells what a test needs beside Python, so that `make unit` can leave out all but the tests that need nothing else.

Each need is one fixture, and whoever uses the fixture, through others too, gets the marker of the same line below. A
unit test that starts one of the programs fails: the markers can be trusted, and nobody sets one by hand.
"""

import functools
import inspect
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from kube.rig import build
from support import debian

MARKERS = {
    "go_program": "cluster",
    "postgres_programs": "postgres",
    "chromium_program": "browser",
    "root": "root",
    "downloads": "download",
    "processes": "process",
}
"""Fixture → marker."""

_STARTS_PROCESSES = ("support.server.", "support.command.trackpush", "support.language_client.", "support.node_client.")
"""Modules that use one of these, or `subprocess`, start processes: a second of CPU time for each."""

_STARTS = {"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.system"}
"""Audit events; `asyncio` and `multiprocessing` cause the first two."""

_HARMLESS = {"uname"}
"""Python's `platform` runs it once."""

_PROGRAMS = {
    "cluster": "go kubebox helm coredns traefik otelcol dashboard kube-score",
    "postgres": "postgres initdb psql pg_isready pg_basebackup pg_dump pgbouncer",
    "browser": "chromium",
    "root": "mount umount unshare chattr ip iptables",
    "download": "apt-get npm-cli.js",
}
_MARKER_OF = {program: marker for marker, programs in _PROGRAMS.items() for program in programs.split()}
NOT_UNIT = (*_PROGRAMS, "process", "slow", "long")
"""Markers of tests that are not unit tests; the Makefile names the same."""
_running: list[pytest.Item] = []


@pytest.fixture(scope="session")
def go_program() -> Callable[[str], Path]:
    """Gives the path of a program that is built of Go modules: `kube.rig.build.program`."""
    return build.program


@pytest.fixture(scope="session")
def downloads() -> None:
    """For a test that may fetch something from Debian, PyPI or npm."""


@pytest.fixture(scope="session")
def processes() -> None:
    """For a test that starts a process, in a module where others do not."""


@pytest.fixture(scope="session")
def debian_program(downloads: None) -> Callable[[str, str], Path]:  # noqa: ARG001  marks the test
    """Gives a file of a Debian package: `support.debian.program`."""
    return debian.program


@pytest.fixture(scope="session")
def root() -> None:
    """Skip the test if the user is not root."""
    if os.geteuid() != 0:
        pytest.skip("needs root")


def pytest_configure() -> None:
    """Watch which programs are started. An audit hook can't be removed, so there is one for the whole run."""
    sys.addaudithook(_check_program)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Add the marker of each need that the test has by its fixtures; `process` also by parameters and imports."""
    for fixture in MARKERS.keys() & set(getattr(item, "fixturenames", ())):
        item.add_marker(MARKERS[fixture])
    if isinstance(item, pytest.Function) and (_has_receivers(item) or _starts_processes(item.module)):
        item.add_marker("process")


def _has_receivers(item: pytest.Function) -> bool:
    """Whether the parameter `receivers` gives the test's server receiving processes."""
    called = getattr(item, "callspec", None)
    return called is not None and bool(called.params.get("receivers"))


@functools.cache
def _starts_processes(module: ModuleType) -> bool:
    used = vars(module).values()
    names = (
        f"{value.__module__}.{value.__qualname__}"
        for value in used
        if inspect.isclass(value) or inspect.isroutine(value)
    )
    return subprocess in used or any(name.startswith(_STARTS_PROCESSES) for name in names)


def is_unit(item: pytest.Item) -> bool:
    """Whether `make unit` runs the test."""
    return not any(item.get_closest_marker(marker) for marker in NOT_UNIT)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Remember which test runs, its fixtures included."""
    _running.append(item)
    try:
        return (yield)
    finally:
        _running.pop()


def program_in(command: list[str]) -> str | None:
    """The program in a command that a unit test may not start; None if there is none.

    A program may be started by another (`setpriv … /usr/lib/postgresql/15/bin/postgres`), so paths in arguments count.
    """
    for position, argument in enumerate(command):
        name = Path(argument).name
        if name in _MARKER_OF and (position == 0 or Path(argument).is_absolute()):
            return name
    return None


def _check_program(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in _STARTS or not _running or not is_unit(_running[-1]):
        return
    given = arguments[1] if event == "subprocess.Popen" else arguments[0] if arguments else event
    command = [os.fsdecode(part) for part in ([given] if isinstance(given, str | bytes | os.PathLike) else given)]
    program = program_in(command)
    if program is None and Path(command[0]).name in _HARMLESS:
        return
    marker = "process" if program is None else _MARKER_OF[program]
    fixture = next(name for name, given_marker in MARKERS.items() if given_marker == marker)
    raise AssertionError(
        f"{_running[-1].nodeid} starts {program or command[0]}, and `make unit` runs it: use the fixture {fixture!r}"
    )
