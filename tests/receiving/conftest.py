"""A client's session, and everything that is logged by the main process."""

from collections.abc import AsyncIterator, Iterator
from io import StringIO

import aiohttp
import pytest
import structlog

from trackpush_server import logs


@pytest.fixture
def log() -> Iterator[StringIO]:
    """Everything that this process logs, as JSON lines."""
    stream = StringIO()
    logs.configure("json", stream)
    yield stream
    structlog.reset_defaults()


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    """Every request has a connection of its own, so that each receiving process gets some."""
    connector = aiohttp.TCPConnector(force_close=True)
    timeout = aiohttp.ClientTimeout(total=30)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
        yield session
