"""The version has one source, pyproject.toml. Every other place that names it is written from there.

`version.py` rewrites the other places, `version.py --check` fails if one of them differs, and `version.py 0.2.0` begins
a release: it sets the version and gives the changelog's unreleased entries their heading.
"""

import argparse
import datetime as dt
import re
import sys
import tomllib
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parents[1]
_VERSION: Final = r"\d+\.\d+\.\d+(?:-?(?:a|b|rc|alpha|beta)\.?\d+)?"
_IMAGE: Final = r"(?<=/trackpush:)"
_UNRELEASED: Final = "## [Unreleased]\n"


class VersionPlace(NamedTuple):
    """A file that names the version, and what comes right before it there."""

    file: str
    before: str


PLACES: Final = (
    VersionPlace("helm/trackpush/Chart.yaml", r"(?<=^version: )"),
    VersionPlace("helm/trackpush/Chart.yaml", r"(?<=^appVersion: )"),
    VersionPlace("README.md", _IMAGE),
    VersionPlace("images/Dockerfile", _IMAGE),
    VersionPlace("manifests/kubernetes/journal-copy.yaml", _IMAGE),
    VersionPlace("manifests/kubernetes/journal-pod.yaml", _IMAGE),
    VersionPlace("tests/node/bazaar.yaml", _IMAGE),
    VersionPlace("docs/receiving-pushes.md", r"(?<=Trackpush/)"),
)
"""manifests/install.yaml is rendered from the chart; the program reads its version from the installed package."""


def current(root: Path) -> str:
    """The version in pyproject.toml."""
    return str(tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"])


def rewritten(text: str, before: str, version: str) -> str:
    """The text with this version where a version follows ``before``.

    Raises:
        ValueError: there is none.
    """
    made, count = re.subn(before + _VERSION, version, text, flags=re.MULTILINE)
    if not count:
        raise ValueError(f"no version follows {before}")
    return made


def released(changelog: str, version: str, day: dt.date) -> str:
    """The changelog with the unreleased entries under a heading of this version.

    Raises:
        ValueError: nothing is unreleased, or the version has a heading already.
    """
    if f"## [{version}]" in changelog:
        raise ValueError(f"the changelog has a section {version} already")
    head, found, rest = changelog.partition(_UNRELEASED)
    entries = rest.partition("\n## [")[0].strip()
    if not found or not entries:
        raise ValueError("the changelog has nothing under [Unreleased]")
    return f"{head}{_UNRELEASED}\n## [{version}] - {day.isoformat()}\n\n{rest.lstrip()}"


def write(root: Path, version: str) -> None:
    for place in PLACES:
        file = root / place.file
        file.write_text(rewritten(file.read_text(encoding="utf-8"), place.before, version), encoding="utf-8")


def different(root: Path, version: str) -> list[str]:
    texts = ((place, (root / place.file).read_text(encoding="utf-8")) for place in PLACES)
    return sorted({place.file for place, text in texts if rewritten(text, place.before, version) != text})


def release(root: Path, version: str, day: dt.date) -> None:
    """Set the version everywhere, and give the changelog its section."""
    changelog, project = root / "CHANGELOG.md", root / "pyproject.toml"
    entries = released(changelog.read_text(encoding="utf-8"), version, day)
    declared = rewritten(project.read_text(encoding="utf-8"), r'(?<=^version = ")', version)
    changelog.write_text(entries, encoding="utf-8")
    project.write_text(declared, encoding="utf-8")
    write(root, version)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("version", nargs="?", help="begin the release of this version")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file names another version")
    given = parser.parse_args()
    if given.version:
        if not re.fullmatch(_VERSION, given.version):
            sys.exit(f"{given.version!r} is not a version: write for example 0.2.0 or 0.2.0rc1")
        release(ROOT, given.version, dt.datetime.now(dt.UTC).date())
    elif not given.check:
        write(ROOT, current(ROOT))
    elif wrong := different(ROOT, current(ROOT)):
        sys.exit(f"another version than pyproject.toml's {current(ROOT)} is in {', '.join(wrong)}: run `make version`")


if __name__ == "__main__":
    main()
