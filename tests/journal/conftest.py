"""Every adapter of the journal: the conformance tests run once for each."""

from pathlib import Path

import pytest

from journal.stores import Store, sqlite_store

_ADAPTERS = {"sqlite": sqlite_store}


@pytest.fixture(params=sorted(_ADAPTERS))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return _ADAPTERS[request.param](tmp_path / "data")
