"""What the console suggests for a client's name that matches nothing."""

import pytest

from trackpush_server.admin.console.hints import client_names, similar

NAMES = ("acme", "acme-eu", "big-acme", "zen")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("acm", ["acme", "acme-eu", "big-acme"]),
        ("ACME", ["acme", "acme-eu", "big-acme"]),
        ("acmee", ["acme"]),
        ("acme", []),
        ("nothing-like-it", []),
        ("", []),
        ("a" * 10_000, []),
    ],
)
def test_names_that_contain_the_text_or_nearly_equal_it_are_suggested(text: str, names: list[str]) -> None:
    assert similar(text, NAMES)[: len(names) or 5] == names


def test_a_server_without_a_table_knows_no_clients() -> None:
    assert client_names(None) == frozenset()
