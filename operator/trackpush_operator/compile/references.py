"""Which servers and PushConfigs the AggregatorWebhooks of each namespace use. Pure.

References are counted. So in a namespace with thousands of AggregatorWebhooks, adding or removing one affects a
PushConfig only if it is the first or the last that refers to it.
"""

from collections import Counter, defaultdict
from typing import NamedTuple, TypeVar

from trackpush_operator.store.objects import Key


class Reference(NamedTuple):
    """The server and the PushConfigs that one AggregatorWebhook uses."""

    server: str | None
    """``namespace/name`` of the server that serves its namespace, or None."""
    push_configs: tuple[str, ...] | None
    """Names; None means all PushConfigs of the namespace."""


class AffectedPushConfigs(NamedTuple):
    """The PushConfigs of a namespace that a change affects."""

    all: bool
    names: frozenset[str]


class References:
    """The references of all AggregatorWebhooks."""

    def __init__(self) -> None:
        self._of: dict[Key, Reference] = {}
        self._servers: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._named: defaultdict[str, Counter[str | None]] = defaultdict(Counter)

    def servers(self, namespace: str) -> tuple[str, ...]:
        """The servers whose tables contain the namespace's PushConfigs."""
        return tuple(sorted(self._servers.get(namespace, ())))

    def is_used(self, namespace: str, push_config: str) -> bool:
        """Whether an AggregatorWebhook sends to the PushConfig."""
        named = self._named.get(namespace, Counter())
        return None in named or push_config in named

    def replace(self, key: Key, use: Reference | None) -> AffectedPushConfigs:
        """Replace the reference of one AggregatorWebhook."""
        namespace, old = key.namespace, self._of.pop(key, None)
        if old == use:
            if use is not None:
                self._of[key] = use
            return AffectedPushConfigs(all=False, names=frozenset())
        servers = {known.server for known in (old, use) if known is not None and known.server is not None}
        names = {name for known in (old, use) if known is not None for name in _names(known)}
        before = self._present(namespace, servers, names)
        if old is not None:
            self._count(namespace, old, -1)
        if use is not None:
            self._of[key] = use
            self._count(namespace, use, 1)
        changed_servers, changed_names = (
            was ^ now for was, now in zip(before, self._present(namespace, servers, names), strict=True)
        )
        return AffectedPushConfigs(
            all=bool(changed_servers) or None in changed_names,
            names=frozenset(name for name in changed_names if name is not None),
        )

    def _present(
        self, namespace: str, servers: set[str], names: set[str | None]
    ) -> tuple[frozenset[str | None], frozenset[str | None]]:
        known, named = self._servers.get(namespace, ()), self._named.get(namespace, ())
        return frozenset(server for server in servers if server in known), frozenset(
            name for name in names if name in named
        )

    def _count(self, namespace: str, use: Reference, step: int) -> None:
        if use.server is not None:
            _add(self._servers, namespace, use.server, step)
        for name in _names(use):
            _add(self._named, namespace, name, step)


def _names(use: Reference) -> tuple[str | None, ...]:
    return (None,) if use.push_configs is None else tuple(dict.fromkeys(use.push_configs))


_N = TypeVar("_N", str, str | None)


def _add(index: defaultdict[str, Counter[_N]], namespace: str, name: _N, step: int) -> None:
    counter = index[namespace]
    counter[name] += step
    if not counter[name]:
        del counter[name]
    if not counter:
        del index[namespace]
