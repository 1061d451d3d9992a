"""What the pods report about one resource: its rollout on a server, and failing pushes."""

import msgspec


class Rollout(msgspec.Struct, frozen=True, kw_only=True):
    """The progress of one resource on one server."""

    server: str
    refused: bool = False
    """Whether its shard has no room for it."""
    written: bool = True
    suspended: bool = False
    """Whether the server has no pods on purpose."""
    ready: bool = True
    """Whether the server has ready pods."""
    served: bool = True
    """Whether all ready pods answered and serve it."""
    trouble: str = ""
    """Why a pod can't be asked."""
    confirmed: bool = False
    """Whether all ready pods served its current version at some time."""
    grace: bool = False
    """Whether pods have been missing or silent only for a short time."""


class AccountReport(msgspec.Struct, frozen=True, kw_only=True):
    """The pods' report about the updates of one account. Times are milliseconds since the epoch."""

    state: str
    """See `trackpush_server.silence.activity.ActivityState`."""
    last_update: int | None = None
    silent_since: int | None = None


class PushTrouble(msgspec.Struct, frozen=True, kw_only=True):
    """A pod's report about a PushConfig whose pushes are not being delivered."""

    reason: str
    since: int
    """Start of the failure, in seconds since the epoch."""
    message: str = ""
