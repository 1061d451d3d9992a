"""Changes of PushConfigs that clients' people asked for in the portal: what the journal stores of them. Pure.

While a change waits, its row has the change with its credentials, sealed if the journal is encrypted. When it is
applied, refused, superseded or too old, the same statement empties this column.
"""

from enum import StrEnum
from typing import Final

import msgspec

from trackpush_server.journal.sealing import Sealer, UnreadableError

COLUMN: Final = b"portal_change"
MOST_WAITING: Final = 8
"""Maximum waiting changes of one client; one for each PushConfig."""
MOST_WAITING_IN_ALL: Final = 1000
MOST_KEPT: Final = 50
"""Number of changes of a client that are kept, the newest ones."""
LONGEST_WAIT: Final = 24 * 3_600_000
"""Milliseconds after which a change that nobody applied is refused."""
TOO_OLD: Final = "it was not applied within a day; send it again, or ask the platform's people"
SUPERSEDED: Final = "a newer change of the same PushConfig replaced it"


class ChangeState(StrEnum):
    """The state of a change, as stored."""

    WAITING = "waiting"
    APPLIED = "applied"
    REFUSED = "refused"
    SUPERSEDED = "superseded"


class TooManyChangesError(Exception):
    """So many changes wait that another one is not accepted."""


class ChangeRow(msgspec.Struct, frozen=True, kw_only=True):
    """One change without its content. Times are milliseconds since the epoch."""

    id: str
    client: str
    namespace_uid: str
    """The namespace object of the client; empty in a folder of files."""
    push_config: str
    """The name without the namespace."""
    state: ChangeState
    message: str
    """Why it was refused, or a note; empty while it waits."""
    created_at: int
    ended_at: int | None


class NewChange(msgspec.Struct, frozen=True, kw_only=True):
    """A change to store."""

    id: str
    client: str
    namespace_uid: str
    push_config: str
    created_at: int
    content: bytes
    """The change as JSON, with its credentials."""

    def __repr__(self) -> str:
        """Without the content."""
        return f"NewChange(id={self.id!r}, …)"


class WaitingChange(msgspec.Struct, frozen=True, kw_only=True):
    """A waiting change with its content."""

    row: ChangeRow
    content: bytes
    """Empty if it is unreadable."""
    unreadable: str | None = None
    """Why the content can't be decrypted."""

    def __repr__(self) -> str:
        """Without the content."""
        return f"WaitingChange({self.row!r}, …)"


def seal_content(sealer: Sealer, change: NewChange) -> bytes:
    """The content as it is stored."""
    return sealer.seal(change.content, key=change.id.encode(), column=COLUMN)


def open_content(sealer: Sealer, row: ChangeRow, stored: bytes) -> WaitingChange:
    """A waiting change with its content decrypted."""
    try:
        return WaitingChange(row=row, content=sealer.open(stored, key=row.id.encode(), column=COLUMN))
    except UnreadableError as error:
        return WaitingChange(row=row, content=b"", unreadable=str(error))
