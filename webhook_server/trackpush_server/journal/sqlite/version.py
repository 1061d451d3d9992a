"""Detects SQLite libraries that can lose commits: those with the WAL-reset bug. Pure.

Source: https://www.sqlite.org/wal.html, "The WAL-Reset Bug". If a checkpoint starts right after one that copied the
whole WAL, while a commit restarts the WAL, SQLite counts pages of that commit as copied. Fixed in 3.51.3, and in the
branches 3.50 and 3.44.

This matters if apsw was built against the operating system's library; its wheels contain a fixed one.
"""

from typing import Final

Version = tuple[int, int, int]

_FIRST_BAD: Final = (3, 7, 0)
_FIXED: Final = (3, 51, 3)
_FIXED_IN_BRANCH: Final[dict[tuple[int, int], int]] = {(3, 50): 7, (3, 44): 6}


class UnsafeSqliteError(Exception):
    """The SQLite library can lose commits."""


def loses_commits(version: Version) -> bool:
    """Whether this version of the library has the WAL-reset bug."""
    major, minor, patch = version
    patched = _FIXED_IN_BRANCH.get((major, minor))
    if patched is not None and patch >= patched:
        return False
    return _FIRST_BAD <= version < _FIXED


def parse(text: str) -> Version | None:
    """Parse a version such as ``3.51.3``, also with two or four numbers; None if it is malformed."""
    parts = text.split(".")
    if not 2 <= len(parts) <= 4 or not all(part.isascii() and part.isdigit() for part in parts):  # noqa: PLR2004  1.2 to 1.2.3.4
        return None
    major, minor, patch = (*map(int, parts), 0)[:3]
    return major, minor, patch


def why_unsafe(text: str) -> str | None:
    """Message why a library of this version is unsafe, with the fix; None if it is safe."""
    version = parse(text)
    if version is None:
        return f"SQLite {text!r}: the version can't be read; {_ADVICE}"
    if loses_commits(version):
        return f"SQLite {text} can lose commits (the WAL-reset bug of 3.7.0 to 3.51.2); {_ADVICE}"
    return None


_ADVICE: Final = (
    "install apsw from its wheel, which brings its own SQLite (pip install --force-reinstall --only-binary apsw apsw),"
    " or link it to SQLite 3.51.3 or newer"
)
