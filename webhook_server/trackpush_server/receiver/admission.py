"""Bounds on what is under way, so that overload ends in an honest 503 and not in memory running out.

Requests count from the moment their body is complete; bodies that still arrive count by their bytes. The two are
apart so that slow senders, who hold many bytes for long, can't take the places of whole requests.
"""

ARRIVING_BYTES = 64 * 1024 * 1024
"""Of bodies that are not complete."""


class Admission:
    """Counts on the event loop; whoever was let in must leave."""

    __slots__ = ("arriving_bytes", "most_arriving_bytes", "under_way")

    def __init__(self, most_arriving_bytes: int = ARRIVING_BYTES) -> None:
        self.under_way = 0
        """Whole requests that wait for their commit."""
        self.arriving_bytes = 0
        self.most_arriving_bytes = most_arriving_bytes

    def hold(self, size: int) -> bool:
        """Count bytes of a body that is not complete; False (and not counted) when they are too many."""
        if self.arriving_bytes + size > self.most_arriving_bytes:
            return False
        self.arriving_bytes += size
        return True

    def release(self, size: int) -> None:
        """Those bytes are complete or given up."""
        self.arriving_bytes -= size
