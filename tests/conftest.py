"""Fixtures that all tests share."""

import gc
from collections.abc import Iterator

import pytest
from blockbuster import BlockBuster, BlockBusterFunction, blockbuster_ctx
from hypothesis import HealthCheck, settings

from support import blocking
from support.examples import examples
from trackpush_server.journal.sqlite.connection import SqliteConnection

pytest_plugins = ["support.tiers", "support.leaks", "support.order", "kube.fixtures", "support.postgres_fixtures"]

settings.register_profile(
    "loaded", max_examples=examples(100), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("loaded")  # how long an example takes depends on the load of the machine

SCANNED = ["trackpush_server", "trackpush_operator", "trackpush_runtime", "trackpush_aggregators"]
SYNCHRONOUS = [
    "trackpush_server.config",
    "trackpush_server.journal.sqlite.file_reader",
    "trackpush_server.journal.sqlite.connection",
    "trackpush_server.journal.sqlite.indexing",
    "trackpush_server.journal.sqlite.copying",
    "trackpush_server.journal.sqlite.folder",
    "trackpush_server.journal.sqlite.lock",
    "trackpush_server.journal.sqlite.note",
    "trackpush_server.journal.sqlite.schema",
    "trackpush_server.journal.sqlite.search_rows",
    "trackpush_server.journal.copying",
    "trackpush_server.outbound.tls",
]
"""Made for threads or for the command line; tests call them as they are. A caller of ours on a loop counts."""

JOURNAL_CALLS = ("__init__", "close", "execute", "executemany", "wal_checkpoint")
"""What may wait for the disk. blockbuster itself knows Python's sqlite3 only."""

AT_THE_START = (
    ("trackpush_server/telemetry/metrics.py", "__init__"),
    ("trackpush_operator/kube/connection.py", "configuration"),
    ("trackpush_operator/metrics.py", "__init__"),
    ("trackpush_server/spool/files.py", "has_arrivals"),
    ("trackpush_server/spool/files.py", "has_taken"),
    ("asyncpg/connect_utils.py", "_parse_connect_arguments"),
)
"""They read files once, before anything is served; the driver of PostgreSQL looks for its few at each connect."""


@pytest.fixture(scope="session", autouse=True)
def _blockbuster() -> Iterator[BlockBuster]:
    """A blocking call of ours on an event loop (file, socket, sleep, SQLite) fails the test with BlockingError.

    It patches some sixty functions, so it does so once in a run: for each test, that took more than a millisecond.
    """
    blocking.install()
    with blockbuster_ctx(SCANNED, excluded_modules=SYNCHRONOUS) as detector:
        for method in JOURNAL_CALLS:
            function = BlockBusterFunction(
                SqliteConnection, method, scanned_modules=SCANNED, excluded_modules=SYNCHRONOUS
            )
            detector.functions[f"SqliteConnection.{method}"] = function.activate()
        for function in detector.functions.values():
            for place in AT_THE_START:
                function.can_block_in(*place)
        yield detector


@pytest.fixture
def blocked_loop_detector(_blockbuster: BlockBuster) -> Iterator[BlockBuster]:
    """For a test that lets a function of its own block (`can_block_in`); afterwards that function may not any more."""
    functions = list(_blockbuster.functions.values())
    allowed = [list(function.can_block_functions) for function in functions]
    yield _blockbuster
    for function, places in zip(functions, allowed, strict=True):
        function.can_block_functions[:] = places  # in place, because the patched function holds the list


YOUNG = 10_000
"""Allocations between two collections of garbage. Python's default of 700 took a twentieth of the run."""


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[object]:
    """Collect no garbage while tests are collected, and exclude from later collections what lasts as long as the run.

    These are the modules, and thousands of collected tests: a full collection takes a fifth of a second otherwise, and
    the leak detector and Python start one again and again.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.set_threshold(YOUNG, 20, 20)
        gc.enable()


SLOW = {"api_server", "own_api_server", "own_postgres"}
"""Fixtures that take seconds."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with something slow come first: the processes that share the files then end at about the same time."""
    slow = {
        item.path
        for item in items
        if item.get_closest_marker("slow") or not SLOW.isdisjoint(getattr(item, "fixturenames", ()))
    }
    items.sort(key=lambda item: item.path not in slow)
