"""The record of a link to the portal. Times are milliseconds since the epoch."""

from typing import Final, Literal

import msgspec

PortalRole = Literal["view", "operate"]
MOST_LINKS: Final = 1000
"""Maximum number of links of one client that are neither expired nor revoked."""
KEY_BYTES: Final = 32
"""Length of the key that signs links and sessions."""


class PortalLink(msgspec.Struct, frozen=True, kw_only=True):
    """One link, without its token: only its recipient has that."""

    id: str
    """``lnk_`` and 32 hex digits."""
    client: str
    """The client's name; ``NAME@UID`` for a former namespace of this name."""
    role: PortalRole
    created_at: int
    expires_at: int
    created_by: str
    """Who created it, as in the audit log."""
    revoked_at: int | None = None

    def is_live(self, now: int) -> bool:
        """Whether the link admits its recipient."""
        return self.revoked_at is None and now < self.expires_at
