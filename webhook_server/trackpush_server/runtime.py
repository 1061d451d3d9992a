"""Settings of the interpreter for a process that is a server and nothing else."""

import gc
import sys

_YOUNG = 20_000
_SWITCH_SECONDS = 0.002


def tune() -> None:
    """Collect garbage seldom, and leave the imported modules out of it.

    Requests and pushes leave no reference cycles behind on their usual way, so a look at the young generation every
    700 allocations only costs time. The journal's writer thread waits for the interpreter lock up to one switch
    interval after each commit, so that is shorter than the default of 5 ms.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, 20, 50)
    sys.setswitchinterval(_SWITCH_SECONDS)
