"""The visitor of a request to the portal: what their link allows."""

from typing import Final

import msgspec
from aiohttp import web

from trackpush_server.journal.portal_links import PortalRole


class PortalVisitor(msgspec.Struct, frozen=True, kw_only=True):
    """A person with a valid link. They see what belongs to ``client``, and nothing else."""

    client: str
    role: PortalRole
    link_id: str
    expires_at: int
    """When the link expires, in milliseconds since the epoch."""
    csrf: str
    """The token that a page of this session returns with each change."""

    @property
    def operates(self) -> bool:
        """Whether they may change things."""
        return self.role == "operate"

    @property
    def actor(self) -> str:
        """The name in the audit log."""
        return f"portal {self.link_id}"


KEY: Final = web.RequestKey("portal visitor", PortalVisitor)


def visitor(request: web.Request) -> PortalVisitor:
    """The visitor of a request that the guard admitted."""
    return request[KEY]
