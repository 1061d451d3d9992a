"""Every adapter of the journal: the conformance tests run once for each."""

from pathlib import Path

import pytest

from journal.stores import Store, sealing, sqlite_store


def encrypted_store(folder: Path) -> Store:
    """The same, with bodies encrypted: nothing else may change."""
    return sqlite_store(folder, sealer=sealing(b"k" * 32))


_ADAPTERS = {"sqlite": sqlite_store, "sqlite-encrypted": encrypted_store}


@pytest.fixture(params=sorted(_ADAPTERS))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return _ADAPTERS[request.param](tmp_path / "data")
