"""The results of compiling one resource: its verdict, and its effects on others."""

from typing import NamedTuple

import msgspec

from trackpush_api.problems import Problem
from trackpush_operator.store.objects import Key


class CompileVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """The result of compiling one resource, for its conditions."""

    generation: int
    problems: tuple[Problem, ...] = ()
    servers: tuple[str, ...] = ()
    """Servers that should serve it."""
    served: bool = False
    """Whether any part of it can be served."""
    used: bool = True
    """For a PushConfig: whether an AggregatorWebhook sends to it."""
    rivals: tuple["Rival", ...] = ()
    """For an AggregatorWebhook: the resources that own keys that it claims."""
    succeeded: tuple["Rival", ...] = ()
    """The previous owners of its keys."""


class Rival(NamedTuple):
    """The owner of a key that another resource claims."""

    server: str
    owner: str
    """``namespace/name`` of the AggregatorWebhook."""


class Effects:
    """The keys of other resources and shards that a decision affects."""

    def __init__(self) -> None:
        self.again: set[Key] = set()
        """Keys to decide again."""
        self.parts: set[tuple[str, str]] = set()
        """Server and shard, to be written."""
        self.verdicts: set[Key] = set()
        """Other resources whose verdict changed."""
        self.later: dict[Key, float] = {}
        """Keys to decide again, and after how many seconds."""

    def wait(self, key: Key, seconds: float) -> None:
        """Decide a resource again after this many seconds, or sooner."""
        delay = max(seconds, 0.0) + 1.0
        self.later[key] = min(delay, self.later.get(key, delay))
