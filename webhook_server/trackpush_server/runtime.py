"""Settings of the interpreter for a process that is a server and nothing else."""

import gc

_YOUNG = 20_000


def tune() -> None:
    """Collect garbage seldom, and leave the imported modules out of it.

    Requests and pushes leave no reference cycles behind on their usual way, so a look at the young generation every
    700 allocations only costs time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, 20, 50)
