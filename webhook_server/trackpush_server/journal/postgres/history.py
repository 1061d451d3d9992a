"""Detects that the database lost commits.

A database can lose its last commits: when an asynchronous standby is promoted, or when its storage is rolled back. Then
it assigns ids a second time. Everything that this process keeps by id (pushes in memory, read positions, unsaved
outcomes) may belong to other updates, so it must be discarded. Comparing the highest ids is not enough: the counter may
have passed the old highest id before this process checks it. So each start of the database begins a new history with a
random token, stored with the counter: see schema/…_histories.sql.
"""

from typing import Any
from uuid import UUID


class History:
    """The token and the highest id that any connection of this process has read."""

    def __init__(self) -> None:
        self.token: UUID | None = None
        self.highest = 0
        self.answered = 0
        """Number of the last batch whose result was received."""

    def knows(self, token: UUID | None, last_id: int) -> bool:
        """Record the position of a read. False if it is of another history: the caller must discard its result."""
        if token != self.token:
            return False
        self.highest = max(self.highest, last_id)  # a read may be older than a commit that was recorded meanwhile
        return True

    def resumed(self, row: Any) -> None:
        """Set the history after the writer has connected; ``row`` is the result of the statement ``resume``."""
        self.highest = row["last_id"] if row["lost"] else max(self.highest, row["last_id"])
        self.token = row["history"]
