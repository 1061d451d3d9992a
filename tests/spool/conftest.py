"""A sealer without keys, and one that encrypts."""

import os

import pytest

from trackpush_api.routing import Encryption
from trackpush_server.journal.sealing import Sealer


@pytest.fixture(params=["plain", "encrypted"])
def sealer(request: pytest.FixtureRequest) -> Sealer:
    """Nothing but the bytes on disk may differ."""
    return Sealer(os.urandom, Encryption(keys=(b"k" * 32,)) if request.param == "encrypted" else None)
