"""The collector rests while a large table is made, and is as it was afterwards."""

import gc
from collections.abc import Iterator

import pytest

from trackpush_server.runtime import tune, uncollected


@pytest.fixture
def tuned() -> Iterator[None]:
    """As in a server's process."""
    before = gc.get_threshold()
    tune()
    yield
    gc.set_threshold(*before)  # what is frozen stays so, as in conftest.py


@pytest.mark.usefixtures("tuned")
def test_what_is_made_in_the_block_is_left_out_of_later_collections_if_it_is_much() -> None:
    few = gc.get_freeze_count()
    with uncollected():
        assert not gc.isenabled()
        little = [[number] for number in range(100)]
    assert gc.isenabled()
    assert gc.get_freeze_count() <= few
    with uncollected():
        much = [[number] for number in range(50_000)]
    assert gc.get_freeze_count() > few + len(much) // 2 > few + len(little)


@pytest.mark.usefixtures("tuned")
def test_after_an_error_in_the_block_the_collector_works_again() -> None:
    with pytest.raises(ZeroDivisionError), uncollected():
        1 / 0  # noqa: B018

    assert gc.isenabled()


def test_without_tune_the_collector_is_left_alone() -> None:
    with uncollected():
        assert gc.isenabled()
