"""Checks the SQLite library of this program, which a server on this machine uses, too."""

from collections.abc import Iterator

from trackpush_cli.doctor.outcome import CheckResult, fail, ok
from trackpush_server.journal.sqlite.connection import library_version
from trackpush_server.journal.sqlite.version import why_unsafe


def examine() -> Iterator[CheckResult]:
    """Check that the library is safe for a journal."""
    found = library_version()
    unsafe = why_unsafe(found)
    if unsafe is None:
        yield ok("sqlite", "library", f"SQLite {found} has no known bug that loses commits")
    else:
        message, _, advice = unsafe.partition("; ")
        yield fail("sqlite", "library", message, advice)
