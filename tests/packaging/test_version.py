"""The version has one source, pyproject.toml; site_tools/version.py writes and checks the other places."""

import datetime as dt
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "site_tools"))
import version  # noqa: E402  a script, which is not part of a package

sys.path.pop(0)
DAY = dt.date(2027, 1, 5)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The files that name the version."""
    for name in {"pyproject.toml", "CHANGELOG.md", *(place.file for place in version.PLACES)}:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_every_place_names_the_version_of_pyproject() -> None:
    assert version.different(ROOT, version.current(ROOT)) == []


@pytest.mark.parametrize("place", version.PLACES)
def test_a_place_with_another_version_is_named_and_written_right(tree: Path, place: version.VersionPlace) -> None:
    file = tree / place.file
    file.write_text(version.rewritten(file.read_text(), place.before, "9.9.9"))
    assert version.different(tree, version.current(tree)) == [place.file]

    version.write(tree, version.current(tree))

    assert version.different(tree, version.current(tree)) == []
    assert file.read_text() == (ROOT / place.file).read_text()


def test_a_place_that_names_no_version_any_more_is_an_error() -> None:
    with pytest.raises(ValueError, match="no version follows"):
        version.rewritten("image: trackpush\n", version.PLACES[2].before, "0.2.0")


def test_a_release_sets_the_version_everywhere_and_gives_the_changelog_its_section(tree: Path) -> None:
    (tree / "CHANGELOG.md").write_text("# Changelog\n\n## [Unreleased]\n\n### Added\n\n- A thing.\n")

    version.release(tree, "0.2.0rc1", DAY)

    assert version.current(tree) == "0.2.0rc1"
    assert version.different(tree, "0.2.0rc1") == []
    released = "# Changelog\n\n## [Unreleased]\n\n## [0.2.0rc1] - 2027-01-05\n\n### Added\n\n- A thing.\n"
    assert (tree / "CHANGELOG.md").read_text() == released


@pytest.mark.parametrize(
    ("changelog", "problem"),
    [
        ("## [Unreleased]\n\n## [0.1.0] - 2026-12-01\n\n- A thing.\n", "nothing under"),
        ("## [Unreleased]\n\n- New.\n\n## [0.2.0] - 2026-12-01\n\n- A thing.\n", "0.2.0 already"),
    ],
    ids=["nothing to release", "released before"],
)
def test_a_release_without_news_or_made_before_changes_nothing(tree: Path, changelog: str, problem: str) -> None:
    (tree / "CHANGELOG.md").write_text(changelog)
    before = version.current(tree)
    with pytest.raises(ValueError, match=problem):
        version.release(tree, "0.2.0", DAY)
    assert version.current(tree) == before
    assert (tree / "CHANGELOG.md").read_text() == changelog


def test_no_other_file_names_a_version_of_the_image() -> None:
    known = {place.file for place in version.PLACES} | {"manifests/install.yaml", "CHANGELOG.md"}
    assert sorted(set(_naming_an_image()) - known) == [], "let site_tools/version.py write it there"


def _naming_an_image() -> Iterator[str]:
    folders = (
        "helm",
        "images",
        "manifests",
        "docs",
        "operator",
        "webhook_server",
        "cli",
        "crds",
        "common",
        "tests/node",
    )
    image = re.compile(rf"/trackpush:{re.escape(version.current(ROOT))}")
    for file in (file for folder in folders for file in (ROOT / folder).rglob("*")):
        is_text = file.suffix in {".md", ".yaml", ".yml", ".py", ".txt", ""} and file.is_file()
        if is_text and image.search(file.read_text(encoding="utf-8")):
            yield file.relative_to(ROOT).as_posix()
