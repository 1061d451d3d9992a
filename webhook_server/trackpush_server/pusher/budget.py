"""The memory budget of all PushConfigs for pending pushes. Pushes beyond it wait in the journal."""

WINDOW = 1024
"""Maximum number of pushes of one PushConfig in memory that could be sent now."""
WAITING = 1024
"""Maximum number of pushes of one PushConfig in memory that wait for a retry or behind such a push; the rest waits on
disk.
"""
MOST = 8192
"""Maximum number of pushes of one PushConfig in memory, including those behind a head that is being sent."""
LEAST = 32
"""Number of pushes that each PushConfig may keep in memory even if the budget is used up."""
WINDOW_WHILE_OPEN = 64
"""Maximum number of pushes in memory for a failing endpoint: enough for its probes."""


class Budget:
    """Counts pushes and payload bytes over all PushConfigs."""

    __slots__ = ("max_bytes", "max_pushes", "payload_bytes", "pushes")

    def __init__(self, *, max_pushes: int = 50_000, max_bytes: int = 32 * 1024 * 1024) -> None:
        self.max_pushes = max_pushes
        self.max_bytes = max_bytes
        self.pushes = 0
        self.payload_bytes = 0

    @property
    def is_full(self) -> bool:
        """Whether pushes beyond the minimum share must stay on disk."""
        return self.payload_bytes >= self.max_bytes or self.pushes >= self.max_pushes

    @property
    def is_tight(self) -> bool:
        """Whether to release payloads that aren't needed soon."""
        return self.payload_bytes * 2 >= self.max_bytes

    def add(self, payload: int) -> None:
        """Count one push with this many bytes of payload."""
        self.pushes += 1
        self.payload_bytes += payload

    def remove(self, payload: int) -> None:
        """Subtract one push with this many bytes of payload."""
        self.pushes -= 1
        self.payload_bytes -= payload

    def resize(self, change: int) -> None:
        """Record that a push's payload was loaded (positive change) or released (negative)."""
        self.payload_bytes += change
