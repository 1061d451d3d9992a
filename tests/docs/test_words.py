"""The check of the words, site_tools/words.py, which `make check` runs."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CHECK = ROOT / "site_tools" / "words.py"


def check(file: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, CHECK, file], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("a.md", "# Title\n\nThe key is told\nto the server.\n", 3),
        ("a.md", "# Title\n\nThe server starts\nanew.\n", 3),
        ("a.py", '"""Fine."""\nraise ValueError("url is no text")\n', 2),
        ("a.py", 'name = "url"\ntext = f"{name} stands twice"\n', 2),
        ("a.py", 'text = (\n    "the watch goes "\n    "on"\n)\n', 2),
        ("a.py", "count = 0\nlimit = 2  # who asks waits\n", 2),
        ("a.sql", "-- Rows are kept for ever.\nSELECT 1;\n", 1),
    ],
)
def test_a_phrase_that_needs_a_second_reading_is_found_with_its_line(
    tmp_path: Path, name: str, text: str, line: int
) -> None:
    file = tmp_path / name
    file.write_text(text)

    found = check(file)

    assert found.returncode == 1
    assert found.stderr.startswith(f"{file}:{line}: ")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "a.md",
            "There is no limit, and the key is no longer valid. We understand `st`, which stands for Shiprocket.\n",
        ),
        ("a.md", "> The offer stands. <!-- words: quoted -->\n"),
        ("a.py", 'told = "the value stands"  # words: quoted\n'),
        ("a.py", "is_told = anew = 1\n"),
    ],
)
def test_standard_english_and_quotations_and_names_pass(tmp_path: Path, name: str, text: str) -> None:
    file = tmp_path / name
    file.write_text(text)

    found = check(file)

    assert (found.returncode, found.stderr) == (0, "")
