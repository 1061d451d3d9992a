"""Settings of the interpreter for a process that is a server and nothing else."""

import contextlib
import gc
from collections.abc import Iterator

_YOUNG = 20_000


def tune() -> None:
    """Collect garbage seldom, and leave the imported modules out of it.

    Requests and pushes leave no reference cycles behind on their usual way, so a look at the young generation every
    700 allocations only costs time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, 20, 50)


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """For a block that may make very many objects that stay, such as a routing table with 10,000 clients.

    The collector would look at all of them, again and again, for 100 ms at a time. So it rests meanwhile, and what
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
