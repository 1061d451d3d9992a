"""From host and path to the aggregator that posts there. Pure, made once per routing table.

All clients share the URLs, so this says nothing about who may post: that is the key's business.
"""

import ipaddress
from typing import NamedTuple

from trackpush_api.routing import Host, ServerSettings
from trackpush_api.vocabulary import Aggregator

_NOTIFY = "notify"
_LOOPBACK = ("localhost", ".localhost")
_ALL = frozenset(Aggregator)
_NONE: frozenset[Aggregator] = frozenset()
_MOST_REMEMBERED = 1024
"""Host headers whose aggregators are remembered: a bound, because callers choose them."""


class Route(NamedTuple):
    """Where a request goes. ``path_key`` is the raw last segment of ``/notify/{key}``, None without one."""

    aggregator: Aggregator
    path_key: str | None = None


class Routes:
    """The URLs of one WebhookServer."""

    def __init__(self, settings: ServerSettings) -> None:
        base = "/" + settings.base_path.strip("/") if settings.base_path.strip("/") else ""
        self._exact = {f"{base}/{one.path_segment}/{_NOTIFY}": Route(one) for one in Aggregator}
        self._prefixes = {f"{path}/": route.aggregator for path, route in self._exact.items()}
        self._by_host = _by_host(settings.hosts)
        self._own_names = _own_names(settings.name)
        self._remembered: dict[str, frozenset[Aggregator]] = {}

    def find(self, host: str, path: str) -> Route | None:
        """The route of a request, None for 404. ``host`` is the Host header, ``path`` is without query."""
        route = self._exact.get(path) or self._with_key(path)
        if route is None or route.aggregator not in self.served(host):
            return None
        return route

    def served(self, host: str) -> frozenset[Aggregator]:
        """The aggregators that post to this host.

        A server that names no host serves all of them. Otherwise a host that it doesn't name is served only where no
        other server can be meant: a loopback name, an address, the Service's own name, or none at all.
        """
        found = self._remembered.get(host)
        if found is None:
            found = self._served(host)
            if len(self._remembered) < _MOST_REMEMBERED:
                self._remembered[host] = found
        return found

    def _served(self, host: str) -> frozenset[Aggregator]:
        name = _without_port(host)
        if name in self._by_host:
            return self._by_host[name]
        return _ALL if not self._by_host or not name or self._is_own(name) else _NONE

    def _is_own(self, name: str) -> bool:
        service = name.partition(".svc")[0] if ".svc." in f"{name}." else name
        return name == _LOOPBACK[0] or name.endswith(_LOOPBACK[1]) or service in self._own_names or _is_address(name)

    def _with_key(self, path: str) -> Route | None:
        at = path.rfind("/") + 1
        aggregator = self._prefixes.get(path[:at])
        if aggregator is not None:
            return Route(aggregator, path[at:] or None)
        # A key that ends in a slash was pasted with one.
        return self._with_key(path[:-1]) if path.endswith("/") and not path.endswith("//") else None


def _by_host(hosts: tuple[Host, ...]) -> dict[str, frozenset[Aggregator]]:
    """A host that is listed twice serves what either entry says."""
    found: dict[str, frozenset[Aggregator]] = {}
    for host in hosts:
        name = host.host.lower().rstrip(".")
        found[name] = found.get(name, _NONE) | host.aggregators
    return found


def _own_names(server: str) -> frozenset[str]:
    """Names of the Service in front of ``namespace/name``; the operator names it ``trackpush-NAME``."""
    namespace, _, name = server.rpartition("/")
    names = (name, f"trackpush-{name}")
    return frozenset(names if not namespace else (*names, *(f"{one}.{namespace}" for one in names)))


def _without_port(host: str) -> str:
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdigit() and ":" not in name else host).rstrip(".")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
