"""What this process saw of the database, to notice when commits are missing.

A database may come back without its last commits: an asynchronous standby was promoted, or the storage was rolled
back. Then ids are given a second time. Whatever this process remembers by id (pushes in memory, how far it has read,
outcomes that are not stored) may be of other updates, so it must be forgotten. The trap is that the counter may have
overtaken what was seen before this process looks again. So each start of the database begins a history with a random
token, which is stored beside the counter: see schema/…_histories.sql.
"""

from typing import Any
from uuid import UUID


class History:
    """The token and the highest id, as of the last look by anybody in this process."""

    def __init__(self) -> None:
        self.token: UUID | None = None
        self.highest = 0
        self.answered = 0
        """Number of the last batch whose answer came."""

    def knows(self, token: UUID | None, last_id: int) -> bool:
        """Note what a read saw; False when it is of another history: nothing of it may be used."""
        if token != self.token:
            return False
        self.highest = max(self.highest, last_id)  # a read may be older than what was stored meanwhile
        return True

    def resumed(self, row: Any) -> None:
        """The writer has connected and knows where the database is."""
        self.highest = row["last_id"] if row["lost"] else max(self.highest, row["last_id"])
        self.token = row["history"]
