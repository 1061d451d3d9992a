"""Maps host and path to the aggregator that posts there. Pure, built once per routing table.

All clients share the URLs; the key decides who may post.
"""

import ipaddress
from collections.abc import Iterable
from typing import NamedTuple

from trackpush_api.aggregators import profile
from trackpush_api.routing import Definition, Host, ServerSettings
from trackpush_api.vocabulary import Aggregator, AggregatorName

_NOTIFY = "notify"
_CLUSTER_DOMAIN = "cluster.local"
"""Kubernetes' default. A cluster with another domain lists the Service's full name in ``hosts``."""
_LOOPBACK = ("localhost", ".localhost")
_NONE: frozenset[AggregatorName] = frozenset()
_MOST_REMEMBERED = 1024
"""Host headers whose aggregators are remembered: a bound, because callers choose them."""


class Route(NamedTuple):
    """Where a request goes. ``path_key`` is the raw last segment of ``/notify/{key}``, None without one."""

    aggregator: AggregatorName
    path_key: str | None = None


class Routes:
    """The URLs of one WebhookServer."""

    def __init__(self, settings: ServerSettings, definitions: Iterable[Definition] = ()) -> None:
        """Of several definitions with the same path, the last one keeps it; a built-in aggregator always does."""
        base = "/" + settings.base_path.strip("/") if settings.base_path.strip("/") else ""
        segments: dict[str, AggregatorName] = {definition.path: definition.name for definition in definitions}
        segments |= {profile(aggregator).path_segment: aggregator for aggregator in Aggregator}
        self._exact = {f"{base}/{segment}/{_NOTIFY}": Route(aggregator) for segment, aggregator in segments.items()}
        self._by_segments = {_folded(_segments(path)): route.aggregator for path, route in self._exact.items()}
        self._base = _folded(_segments(base))
        self._depth = len(self._base) + 2
        self._all = frozenset(route.aggregator for route in self._exact.values())
        self._by_host = _by_host(settings.hosts, self._all)
        self._own_names = _own_names(settings.name)
        self._remembered: dict[str, frozenset[AggregatorName]] = {}

    def find(self, host: str, path: str) -> Route | None:
        """The route of a request, None for 404. ``host`` is the Host header, ``path`` is without query.

        People type the URL into the aggregators' panels: doubled or trailing slashes and the case of the fixed part
        do not matter. The key keeps its case.
        """
        route = self._exact.get(path) or self._by_hand(path)
        if route is None or route.aggregator not in self.served(host):
            return None
        return route

    def may_be_missing(self, host: str, path: str) -> bool:
        """Whether this may be the URL of an aggregator that is not loaded: BASE/ANY/notify on a host of the server."""
        segments = _folded(_segments(path))
        url, rest = segments[: self._depth], segments[self._depth :]
        has_form = len(url) == self._depth and url[: len(self._base)] == self._base and url[-1] == _NOTIFY
        return has_form and len(rest) <= 1 and url not in self._by_segments and self._is_named(_without_port(host))

    def served(self, host: str) -> frozenset[AggregatorName]:
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

    def _served(self, host: str) -> frozenset[AggregatorName]:
        name = _without_port(host)
        if name in self._by_host:
            return self._by_host[name]
        return self._all if self._is_named(name) else _NONE

    def _is_named(self, name: str) -> bool:
        """Whether requests to this host are for this server."""
        return name in self._by_host or not self._by_host or not name or self._is_own(name)

    def _is_own(self, name: str) -> bool:
        service = name.removesuffix(f".svc.{_CLUSTER_DOMAIN}").removesuffix(".svc")
        return name == _LOOPBACK[0] or name.endswith(_LOOPBACK[1]) or service in self._own_names or _is_address(name)

    def _by_hand(self, path: str) -> Route | None:
        segments = _segments(path)
        aggregator = self._by_segments.get(_folded(segments[: self._depth]))
        rest = segments[self._depth :]
        if aggregator is None or len(rest) > 1:
            return None
        return Route(aggregator, rest[0] if rest else None)


def _segments(path: str) -> tuple[str, ...]:
    return tuple(filter(None, path.split("/")))


def _folded(segments: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(segment.lower() for segment in segments)


def _by_host(hosts: tuple[Host, ...], known: frozenset[AggregatorName]) -> dict[str, frozenset[AggregatorName]]:
    """A host that is listed twice serves the aggregators of both entries."""
    found: dict[str, frozenset[AggregatorName]] = {}
    for host in hosts:
        name = host.host.lower().rstrip(".")
        found[name] = found.get(name, _NONE) | {aggregator for aggregator in known if host.serves(aggregator)}
    return found


def _own_names(server: str) -> frozenset[str]:
    """Names of the Service in front of ``namespace/name``; the operator names it ``trackpush-NAME``."""
    namespace, _, name = server.rpartition("/")
    names = (name, f"trackpush-{name}")
    return frozenset(names if not namespace else (*names, *(f"{service}.{namespace}" for service in names)))


def is_valid_host(host: str) -> bool:
    """Whether a Host header or the authority of a request target can be read: ``name[:port]`` or ``[IPv6][:port]``."""
    if host.startswith("["):
        address, bracket, port = host[1:].partition("]")
        return bool(bracket) and _is_address(address) and (not port or _is_port(port.removeprefix(":")))
    _, colon, port = host.partition(":")
    return not colon or _is_port(port) or _is_address(host)


def _is_port(text: str) -> bool:
    """An empty port is the default one: ``name:`` means ``name`` (RFC 3986 §3.2.3)."""
    return not text or (text.isascii() and text.isdigit())


def _without_port(host: str) -> str:
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    name, colon, port = host.rpartition(":")
    return (name if colon and _is_port(port) and ":" not in name else host).rstrip(".")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
