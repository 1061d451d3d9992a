"""SQLite libraries that can lose commits are recognised and refused."""

from support.rows import every_row
from trackpush_server.journal.sqlite.version import loses_commits, parse, why_unsafe


@every_row(
    ("text", "bad"),
    [
        ("3.6.23", False),
        ("3.7.0", True),
        ("3.7", True),
        ("3.40.1", True),
        ("3.43.99", True),
        ("3.44.0", True),
        ("3.44.5", True),
        ("3.44.6", False),
        ("3.44.7", False),
        ("3.45.0", True),
        ("3.49.2", True),
        ("3.50.0", True),
        ("3.50.6", True),
        ("3.50.7", False),
        ("3.50.12", False),
        ("3.51.0", True),
        ("3.51.2", True),
        ("3.51.2.1", True),
        ("3.51.3", False),
        ("3.52.0", False),
        ("3.54.1", False),
        ("4.0.0", False),
    ],
)
def test_the_bad_range_has_holes_where_branches_were_fixed(text: str, bad: bool) -> None:  # noqa: FBT001  a table
    version = parse(text)
    assert version is not None
    assert loses_commits(version) is bad
    assert (why_unsafe(text) is not None) is bad


@every_row("text", ["", "3", "3.x.1", "3.51.3-rc1", "3.51.3.4.5", "-3.5.1", "3.\u0665.1"])
def test_a_version_that_cannot_be_read_is_refused(text: str) -> None:
    assert parse(text) is None
    assert "can't be read" in str(why_unsafe(text))


def test_the_refusal_says_what_is_wrong_and_what_to_do() -> None:
    said = str(why_unsafe("3.40.1"))
    assert said.startswith("SQLite 3.40.1 can lose commits")
    assert "install apsw from its wheel" in said
