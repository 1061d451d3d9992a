"""What the load and the sink write down, as flat arrays in files: cheap to append to, cheap to join.

All times are CLOCK_MONOTONIC in nanoseconds, which all processes of one machine share.
"""

from array import array
from pathlib import Path


class _Arrays:
    """Columns of equal length in one file. Subclasses name them with their array type codes."""

    COLUMNS: tuple[tuple[str, str], ...] = ()

    def __init__(self) -> None:
        for name, code in self.COLUMNS:
            setattr(self, name, array(code))

    def save(self, path: Path) -> None:
        """Write all columns: the number of rows, then one column after the other."""
        rows = len(getattr(self, self.COLUMNS[0][0]))
        with path.open("wb") as file:
            array("q", [rows]).tofile(file)
            for name, _ in self.COLUMNS:
                getattr(self, name).tofile(file)

    def read(self, path: Path) -> None:
        """Append the rows of a file."""
        with path.open("rb") as file:
            head = array("q")
            head.fromfile(file, 1)
            for name, _ in self.COLUMNS:
                getattr(self, name).fromfile(file, head[0])


class PostLog(_Arrays):
    """One row per request, in order of sending; row ``i`` has the mark ``first + i``."""

    COLUMNS = (("intended", "q"), ("sent", "q"), ("answered", "q"), ("status", "h"))
    intended: "array[int]"
    """When it should have been sent: latency counts from here, so a stalled server is not spared (open loop)."""
    sent: "array[int]"
    answered: "array[int]"
    """0 while there is no answer."""
    status: "array[int]"
    """0 when the connection broke."""


class PushLog(_Arrays):
    """One row per request that reached the sink, in order of arrival."""

    COLUMNS = (("arrived", "q"), ("mark", "q"), ("webhook_id", "q"), ("endpoint", "h"), ("connection", "i"))
    arrived: "array[int]"
    mark: "array[int]"
    """-1 when the body carries none."""
    webhook_id: "array[int]"
    """A 64-bit hash of the header."""
    endpoint: "array[int]"
    connection: "array[int]"
