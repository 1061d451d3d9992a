"""The pods' reports about one resource: its rollout on a server, and failing pushes."""

import msgspec


class Rollout(msgspec.Struct, frozen=True, kw_only=True):
    """How far a resource has got on one server."""

    server: str
    refused: bool = False
    """There is no room in its shard."""
    written: bool = True
    suspended: bool = False
    """The server has no pods on purpose."""
    ready: bool = True
    """The server has ready pods."""
    served: bool = True
    """All of its ready pods were asked, and serve it."""
    trouble: str = ""
    """Why a pod can't be asked."""
    confirmed: bool = False
    """All ready pods were seen to serve it, as it is now, at some time."""
    grace: bool = False
    """Pods are missing or unasked for a short time only."""


class PushTrouble(msgspec.Struct, frozen=True, kw_only=True):
    """What a pod says of a PushConfig to which nothing is delivered now."""

    reason: str
    since: int
    """Seconds since the epoch."""
    message: str = ""
