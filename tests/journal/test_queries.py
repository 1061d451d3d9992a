"""Statements in .sql files: each has a name, a purpose, and is read without its comments."""

import sys
from pathlib import Path
from types import ModuleType

import pytest

from trackpush_server.journal import postgres, sqlite
from trackpush_server.journal.named_sql import load

GOOD = """\
-- name: one
-- What it is for.
-- In two lines.
SELECT 1 -- why
FROM t;

-- name: two
-- So.
SELECT 2;
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package of .sql files."""
    name = f"statements_{abs(hash(tmp_path))}"
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").touch()
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    for file, text in {
        "good": GOOD,
        "mute": "-- name: one\nSELECT 1;\n",
        "twice": "-- name: one\n-- So.\nSELECT 1;\n-- name: one\n-- So.\nSELECT 2;\n",
    }.items():
        (tmp_path / name / f"{file}.sql").write_text(text)
    return name


def test_statements_come_by_name_and_without_what_they_are_for(package: str) -> None:
    assert load(package, "good") == {"one": "SELECT 1 -- why\nFROM t", "two": "SELECT 2"}


@pytest.mark.parametrize(
    ("file", "told"), [("mute", "mute.sql: nothing says what one is for"), ("twice", "twice.sql: duplicate name one")]
)
def test_a_statement_without_a_purpose_or_with_anothers_name_is_reported(package: str, file: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        load(package, file)


@pytest.mark.parametrize("adapter", [postgres, sqlite])
def test_every_file_of_an_adapter_can_be_read_and_every_statement_is_used(adapter: ModuleType) -> None:
    assert adapter.__file__ is not None
    folder = Path(adapter.__file__).parent
    code = "".join(file.read_text() for file in folder.rglob("*.py"))
    files = sorted((folder / "sql").glob("*.sql"))
    assert len(files) >= 7
    for file in files:
        unused = [name for name in load(f"{adapter.__name__}.sql", file.stem) if f'"{name}"' not in code]
        assert (file.name, unused) == (file.name, [])
