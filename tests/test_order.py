"""A random order keeps the tests of a file together, and a seed repeats it."""

import pytest

from support.order import shuffled


def test_a_seed_gives_one_order_of_all_tests(request: pytest.FixtureRequest) -> None:
    items = [*request.session.items, *request.session.items[:1]]
    assert shuffled(items, "7") == shuffled(items, "7")
    assert sorted(map(id, shuffled(items, "7"))) == sorted(map(id, items))


def test_files_and_their_tests_change_places_and_stay_together() -> None:
    items = [Named(file, name) for file in "abcdefgh" for name in range(20)]
    found = shuffled(items, "7")  # type: ignore[arg-type]
    files = [item.path for item in found]
    assert [file for place, file in enumerate(files) if files[:place].count(file) == 0] != sorted(set(files))
    assert all(files[place : place + 20].count(files[place]) == 20 for place in range(0, 160, 20))
    assert [item.name for item in found[:20]] != list(range(20))
    assert found != shuffled(items, "8")  # type: ignore[arg-type]


class Named:
    """What is used of a test."""

    def __init__(self, path: str, name: int) -> None:
        self.path = path
        self.name = name
