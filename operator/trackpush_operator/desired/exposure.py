"""How aggregators and clients' people reach the public Service: an Ingress or an HTTPRoute.

It has the paths of each host's aggregators, and the host of the portal.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from trackpush_api.kinds.webhook_server import HostRule, HttpRoute
from trackpush_api.kinds.webhook_server import Ingress as IngressSpec
from trackpush_operator.desired.inputs import PORTAL_PORT, Body, Inputs, metadata

_PORTAL_PATHS: Final = (("PathPrefix", "/portal"), ("Exact", "/robots.txt"))
_MOST_MATCHES: Final = 64
"""The Gateway API allows no more in one rule."""


def exposure(inputs: Inputs) -> Body | None:
    """The Ingress or the HTTPRoute.

    None if nothing is to be exposed, the cluster has no Gateway API, or other servers own all of its hosts; a condition
    says which.
    """
    expose = inputs.spec.expose
    if expose is None or not (_hosts(inputs) or _portal_host(inputs)):
        return None
    if expose.ingress is not None:
        return ingress(inputs, expose.ingress)
    if expose.http_route is not None and inputs.has_http_route:
        return http_route(inputs, expose.http_route)
    return None


def ingress(inputs: Inputs, wanted: IngressSpec) -> Body:
    """One rule for each host; without hosts, one rule for all hosts."""
    rules = [
        ({"host": host.host} if host is not None else {})
        | {"http": {"paths": [_ingress_path(inputs, path) for path in _paths(inputs, host)]}}
        for host in _hosts(inputs)
    ]
    portal = _portal_host(inputs)
    if portal is not None:
        rules.append({"host": portal, "http": {"paths": [_ingress_path(inputs, "/", port="portal")]}})
    spec: Body = {"rules": rules}
    if wanted.class_name is not None:
        spec["ingressClassName"] = wanted.class_name
    if wanted.tls_secret_name is not None:
        # no names: the certificate is for every host
        spec["tls"] = [{"secretName": wanted.tls_secret_name, "hosts": [] if _is_any(inputs) else _names(inputs)}]
    meta = metadata(inputs.server, inputs.name)
    if wanted.annotations:
        meta["annotations"] = dict(wanted.annotations)
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": meta, "spec": spec}


def http_route(inputs: Inputs, wanted: HttpRoute) -> Body:
    """One rule with all paths of all hosts, and one for the portal. The server itself refuses what has a wrong host."""
    parents = [parent_ref.model_dump(by_alias=True, exclude_none=True) for parent_ref in wanted.parent_refs]
    paths = sorted({path for host in _hosts(inputs) for path in _paths(inputs, host)})
    if len(paths) > _MOST_MATCHES:
        paths = [inputs.spec.base_path]
    rules = [_route_rule(inputs, [("PathPrefix", path) for path in paths], port=80)] if paths else []
    if _portal_host(inputs) is not None:
        rules.append(_route_rule(inputs, _PORTAL_PATHS, port=PORTAL_PORT))
    spec: Body = {"parentRefs": parents, "rules": rules}
    if not _is_any(inputs):
        spec["hostnames"] = _names(inputs)
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": metadata(inputs.server, inputs.name),
        "spec": spec,
    }


def _hosts(inputs: Inputs) -> list[HostRule] | list[None]:
    """The hosts to expose. ``[None]`` means every host, but only if the spec names none."""
    if not inputs.spec.hosts:
        return [] if "" in inputs.withheld_hosts else [None]
    return [host for host in inputs.spec.hosts if host.host not in inputs.withheld_hosts]


def _is_any(inputs: Inputs) -> bool:
    """Whether every host is exposed."""
    return _hosts(inputs) == [None]


def _portal_host(inputs: Inputs) -> str | None:
    """The portal's host, unless another server owns it."""
    portal = inputs.spec.portal
    return None if portal is None or portal.host in inputs.withheld_hosts else portal.host


def _names(inputs: Inputs) -> list[str]:
    portal = _portal_host(inputs)
    return [host.host for host in _hosts(inputs) if host is not None] + ([] if portal is None else [portal])


def _paths(inputs: Inputs, host: HostRule | None) -> Iterator[str]:
    """Path prefixes, because the key may follow as the last segment. Without hosts, one prefix for all."""
    if host is None:
        yield inputs.spec.base_path
        return
    yield from (f"{inputs.spec.base_path}/{path}" for name, path in inputs.paths.items() if host.serves(name))


def _route_rule(inputs: Inputs, paths: Sequence[tuple[str, str]], *, port: int) -> Body:
    return {
        "matches": [{"path": {"type": kind, "value": path}} for kind, path in paths],
        "backendRefs": [{"name": inputs.name, "port": port}],
    }


def _ingress_path(inputs: Inputs, path: str, *, port: str = "http") -> Body:
    backend = {"service": {"name": inputs.name, "port": {"name": port}}}
    return {"path": path, "pathType": "Prefix", "backend": backend}
