"""A table that is checked in one test: every row is tried, and each wrong one is named."""

import asyncio

import pytest

from support.rows import every_row


def test_every_row_is_tried_and_each_wrong_one_is_named() -> None:
    tried: list[tuple[int, str]] = []

    @every_row("letter", "ab")
    @every_row(("number", "even"), [(1, False), (2, True), (3, True), (4, False)])
    def check(number: int, *, even: bool, letter: str) -> None:
        tried.append((number, letter))
        if letter == "b":
            raise KeyError(letter)
        assert (number % 2 == 0) is even

    with pytest.raises(AssertionError, match="2 wrong rows") as caught:
        check()

    assert len(tried) == 8
    told = str(caught.value)
    assert "number=3, even=True" in told
    assert "number=4, even=False" in told
    assert told.count("KeyError") == 4
    assert "number=2, even=True: Assert" not in told
    assert caught.value.__cause__ is not None


def test_a_row_where_nothing_is_raised_is_wrong() -> None:
    @every_row("number", [1, 0])
    def check(number: int) -> None:
        with pytest.raises(ZeroDivisionError):
            assert 1 / number

    with pytest.raises(AssertionError, match="number=1: Failed: DID NOT RAISE"):
        check()


@every_row("number", range(3))
def test_fixtures_and_parameters_remain(number: int, request: pytest.FixtureRequest) -> None:
    assert request.node.name == "test_fixtures_and_parameters_remain"
    assert number < 3


def test_a_table_without_rows_is_refused() -> None:
    with pytest.raises(AssertionError, match="proves nothing"):
        every_row("number", [])


async def test_rows_of_a_coroutine_are_awaited() -> None:
    @every_row("number", [1, 2])
    async def check(number: int) -> None:
        await asyncio.sleep(0)
        assert number == 1

    with pytest.raises(AssertionError, match=r"1 wrong rows:\nnumber=2"):
        await check()
