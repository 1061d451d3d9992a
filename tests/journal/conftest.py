"""Every adapter of the journal: the conformance tests run once for each."""

from pathlib import Path

import pytest

from journal.stores import Store, postgres_store, sealing, sqlite_store


@pytest.fixture(params=[pytest.param("postgres", marks=pytest.mark.postgres), "sqlite", "sqlite-encrypted"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """Encrypted, nothing else may change."""
    if request.param == "postgres":
        return postgres_store(request.getfixturevalue("journal_dsn"))
    return sqlite_store(tmp_path / "data", sealer=sealing(b"k" * 32) if "encrypted" in request.param else None)
