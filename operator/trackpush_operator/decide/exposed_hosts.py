"""Removes hosts from an Ingress or an HTTPRoute in the cluster. Pure.

For a WebhookServer whose spec has become invalid: its children stay as they are, but must not expose a host that
belongs to another server.
"""

from collections.abc import Collection
from typing import Any

from trackpush_operator.kube.api import Body

EXPOSURES = frozenset({"Ingress", "HTTPRoute"})


def without_hosts(body: Body, taken: Collection[str]) -> Body | None:
    """The same object without these hosts ("" means every host); None if nothing remains."""
    spec = body.get("spec") or {}
    changed = _route(spec, taken) if body.get("kind") == "HTTPRoute" else _ingress(spec, taken)
    return None if changed is None else {**body, "spec": changed}


def _route(spec: dict[str, Any], taken: Collection[str]) -> dict[str, Any] | None:
    names = spec.get("hostnames")
    if not names:
        return None if "" in taken else spec
    kept = [name for name in names if name not in taken]
    return {**spec, "hostnames": kept} if kept else None


def _ingress(spec: dict[str, Any], taken: Collection[str]) -> dict[str, Any] | None:
    rules = [rule for rule in spec.get("rules") or [] if rule.get("host", "") not in taken]
    if not rules:
        return None
    tls = [
        {**entry, "hosts": [host for host in entry.get("hosts") or [] if host not in taken]}
        for entry in spec.get("tls") or []
    ]
    return {**spec, "rules": rules} | ({"tls": tls} if tls else {})
