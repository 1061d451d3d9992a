"""A running server whose routing table the test chooses, and a client for it."""

from collections.abc import AsyncIterator, Iterator
from io import StringIO
from pathlib import Path

import aiohttp
import pytest
import structlog

from support.serving import serving
from trackpush_server import logs
from trackpush_server.server import Server


@pytest.fixture
def log() -> Iterator[StringIO]:
    """Everything that is logged, as JSON lines."""
    stream = StringIO()
    logs.configure("json", stream)
    yield stream
    structlog.reset_defaults()


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
        yield session


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    """Has an account of each aggregator, whose key is `right-key-of-` and the aggregator's segment."""
    async with serving(tmp_path) as started:
        yield started
