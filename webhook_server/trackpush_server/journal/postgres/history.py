"""What this process saw of the database, to notice when commits are missing.

A database may come back without its last commits: an asynchronous standby was promoted, or the storage was rolled
back. Then ids are given a second time. Whatever this process remembers by id (pushes in memory, how far it has read,
outcomes that are not stored) may be of other updates, so it must be forgotten. The trap is that the counter may have
overtaken what was seen before this process looks again. So each start of the database begins a history with a random
token, which is stored beside the counter: see schema/…_histories.sql.
"""

from typing import Any
from uuid import UUID

import msgspec

_DAY_BITS = 36


class LostCommits(msgspec.Struct, frozen=True, kw_only=True):
    """The database came back without commits that this process had seen."""

    kept_to: int
    """Updates up to this id are the same as before; any later id may be another update's."""
    highest: int
    """The highest id that this process had seen."""
    outcomes: int
    """Outcomes of updates that may be lost: they were dropped."""

    @property
    def updates(self) -> int | None:
        """How many of the updates seen are missing; None when they are of several days, whose ids have gaps."""
        if self.kept_to >> _DAY_BITS != self.highest >> _DAY_BITS and self.kept_to < self.highest:
            return None
        return max(self.highest - self.kept_to, 0)


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
