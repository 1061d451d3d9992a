"""A client's session, and everything that is logged."""

from collections.abc import AsyncIterator, Iterator
from io import StringIO

import aiohttp
import pytest
import structlog

from trackpush_server import logs


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
