"""Interpreter settings for a server process."""

import contextlib
import gc
from collections.abc import Iterator

_YOUNG = 20_000


def tune() -> None:
    """Collect garbage rarely, and exclude the imported modules.

    Requests and pushes usually leave no reference cycles behind, so a scan of the young generation every
    700 allocations only costs time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, 20, 50)


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Switch the collector off for a block that creates very many lasting objects, such as a large routing table.

    The collector would scan all of them, again and again, for 100 ms at a time. So it is off meanwhile, and what
    was made is left out of it if it is much. Without `tune`, as in a test's process, nothing of this.
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
