"""What `make unit` leaves out is found by fixtures, and a test that leaves something open is found out at once."""

import asyncio
import os
import re
import socket
import sys
import threading
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from support.leaks import State
from support.tiers import NOT_UNIT, is_unit, program_in

MAKEFILE = Path(__file__).parents[1] / "Makefile"


def test_make_unit_leaves_out_exactly_what_is_marked_as_no_unit_test() -> None:
    (left_out,) = re.findall(r"^UNIT := not \((.*)\)$", MAKEFILE.read_text(), re.MULTILINE)
    assert tuple(left_out.split(" or ")) == NOT_UNIT


def test_a_test_without_needs_is_a_unit_test(request: pytest.FixtureRequest) -> None:
    assert is_unit(request.node)


@pytest.mark.usefixtures("downloads")
def test_a_fixture_that_is_a_need_marks_the_test(request: pytest.FixtureRequest) -> None:
    assert [marker.name for marker in request.node.iter_markers() if marker.name in NOT_UNIT] == ["download"]


def test_a_fixture_that_uses_a_need_marks_the_test(request: pytest.FixtureRequest, debian_program: Any) -> None:
    assert callable(debian_program)
    assert not is_unit(request.node)


@pytest.mark.parametrize(
    ("program", "fixture"),
    [
        ("psql", "postgres_programs"),
        ("go", "go_program"),
        ("chromium", "chromium_program"),
        ("mount", "root"),
        (sys.executable, "processes"),
    ],
)
async def test_a_unit_test_that_starts_a_program_fails_and_says_which_fixture_to_use(
    program: str, fixture: str
) -> None:
    with pytest.raises(AssertionError, match=f"starts {program}, and .*use the fixture '{fixture}'"):
        await asyncio.create_subprocess_exec(program, "--version")


def test_a_unit_test_that_forks_fails() -> None:
    with pytest.raises(AssertionError, match=r"starts os\.fork, and .*use the fixture 'processes'"):
        os._exit(0) if os.fork() == 0 else None


@pytest.mark.parametrize("receivers", [0, 2])
def test_receiving_processes_mark_the_test(receivers: int, request: pytest.FixtureRequest) -> None:
    assert is_unit(request.node) is (receivers == 0)


@pytest.mark.usefixtures("processes")
def test_a_test_may_say_that_it_starts_processes(request: pytest.FixtureRequest) -> None:
    assert not is_unit(request.node)


@pytest.mark.parametrize(
    ("command", "found"),
    [
        (["setpriv", "--reuid=postgres", "/usr/lib/postgresql/15/bin/initdb"], "initdb"),
        (["/opt/kubebox", "kubectl", "get", "pods"], "kubebox"),
        (["python", "-m", "trackpush_cli", "go"], None),
    ],
)
def test_a_program_is_found_behind_another_one(command: list[str], found: str | None) -> None:
    assert program_in(command) == found


async def test_a_session_a_socket_and_a_variable_that_are_left_are_named() -> None:
    before = State.now()
    session, left = aiohttp.ClientSession(), socket.socket()
    os.environ["TRACKPUSH_LEFT"] = "1"
    leaks = "; ".join(State.now().leaks_since(before))
    del os.environ["TRACKPUSH_LEFT"]
    left.close()
    await session.close()

    assert re.search(r"ClientSessions.*<aiohttp.*open descriptors: \d+ → socket:", leaks)
    assert "environment variables: TRACKPUSH_LEFT" in leaks
    assert State.now().leaks_since(before) == []


def test_a_loop_and_a_thread_that_are_left_are_named() -> None:
    before, end = State.now(), threading.Event()
    loop, thread = asyncio.new_event_loop(), threading.Thread(target=end.wait, name="left-behind")
    thread.start()
    leaks = "; ".join(State.now().leaks_since(before))
    end.set()
    thread.join()
    loop.close()

    assert re.search(r"event loops.*; threads: .*left-behind", leaks)
    assert State.now().leaks_since(before) == []


def test_outside_of_unit_tests_a_session_counts_once_its_loop_is_closed() -> None:
    async def open_session() -> aiohttp.ClientSession:
        session = aiohttp.ClientSession()
        assert State.certain().leaks_since(before) == []
        return session

    before = State.certain()
    session = asyncio.run(open_session())
    leaks = State.certain().leaks_since(before)
    asyncio.run(session.close())

    assert len(leaks) == 1
    assert leaks[0].startswith("aiohttp ClientSessions that are not closed")
