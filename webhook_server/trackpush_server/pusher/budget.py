"""The memory budget of all PushConfigs for their backlogs. The rest waits in the journal."""

WINDOW = 1024
"""Pushes of one PushConfig in memory that could be sent now."""
WAITING = 1024
"""Pushes of one PushConfig that wait in memory for a retry, or behind one that does; others wait on disk."""
MOST = 8192
"""Pushes of one PushConfig in memory, those behind a head that is being sent included."""
LEAST = 32
"""Pushes that a PushConfig may hold however full the budget is: nobody starves."""
WINDOW_WHILE_OPEN = 64
"""Pushes of a failing endpoint in memory: enough for its probes."""


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
        """One push less."""
        self.pushes -= 1
        self.payload_bytes -= payload

    def resize(self, change: int) -> None:
        """A push's payload was loaded or released."""
        self.payload_bytes += change
