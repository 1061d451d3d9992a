"""What the portal's pages work with."""

from collections.abc import Callable
from typing import Final

import msgspec
from aiohttp import web

from trackpush_server.admin.desk import AdminServices
from trackpush_server.portal.edit_folder import PortalFolder


class PortalServices(msgspec.Struct, frozen=True, kw_only=True):
    """The services of one server for its portal."""

    desk: AdminServices
    """Sees all clients: pages read only through their visitor's scope."""
    edits: Callable[[], bool]
    """Whether visitors with the role operate may edit PushConfigs (``spec.portal.edit``)."""
    folder: PortalFolder | None = None
    """Where their changes are written; None: the operator applies them."""


SERVICES: Final = web.AppKey("portal services", PortalServices)
