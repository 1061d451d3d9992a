"""The caller of a request, with their role: viewer or operator."""

from typing import Final, Literal

import msgspec
from aiohttp import web

Role = Literal["view", "operate"]


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """A caller."""

    actor: str
    """The name or subject from the login, or ``token``, ``view token`` or ``local``."""
    role: Role
    via: Literal["token", "session", "local"]
    csrf: str = ""
    """The token that a page of this session returns with each change."""

    @property
    def operates(self) -> bool:
        """Whether they may change things, and see bodies."""
        return self.role == "operate"


KEY: Final = web.RequestKey("identity", Identity)


def identity(request: web.Request) -> Identity:
    """The caller of a request that the guard admitted."""
    return request[KEY]


def address(request: web.Request) -> str:
    """The address of the other end of the connection. A forwarding header is ignored, because it could be forged."""
    return request.remote or "unknown"
