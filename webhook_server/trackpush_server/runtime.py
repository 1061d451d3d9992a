"""Interpreter settings for a server process."""

import contextlib
import gc
from collections.abc import Iterator

_YOUNG = 20_000


def tune() -> None:
    """Collect garbage rarely, and exclude the imported modules from collections.

    Requests and pushes usually leave no reference cycles, so Python's default of a scan every 700 allocations only
    costs time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, 20, 50)


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Switch the collector off for a block that creates very many lasting objects, such as a large routing table.

    The collector would scan all of them repeatedly, for 100 ms each time. If the block created many objects, they are
    also excluded from later collections. Has no effect without `tune`, as in a process of tests.
    """
    if gc.get_threshold()[0] != _YOUNG:
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        if gc.get_count()[0] > _YOUNG:
            gc.freeze()
        gc.enable()
