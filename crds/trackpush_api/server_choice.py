"""Chooses the WebhookServer of an AggregatorWebhook. Pure."""

from collections.abc import Callable, Collection

from trackpush_api.kinds import AggregatorWebhookSpec
from trackpush_api.manifest import Resource
from trackpush_api.problems import Problem, Reason
from trackpush_api.suggestions import closest

Found = tuple[str | None, tuple[Problem, ...]]


def find_server(
    webhook: Resource,
    servers: Collection[str],
    allows: Callable[[str], bool],
    served_by: Collection[str] = (),
    *,
    shared: Collection[str] | None = None,
) -> Found:
    """The WebhookServer (``namespace/name``) that the resource names, or gets without a ``serverRef``.

    Without a ``serverRef``, the server of the resource's own namespace is chosen, otherwise the server of a ``shared``
    namespace (None: all are). Other servers are used only if a ``serverRef`` names them. Otherwise, anybody who may
    create a WebhookServer that allows all namespaces could receive other tenants' updates, or make their choice
    ambiguous.

    The server that serves the resource now (``served_by``) keeps serving it until a ``serverRef`` names another one,
    and the problem says so.
    """
    spec = webhook.spec
    if not isinstance(spec, AggregatorWebhookSpec):
        return None, ()
    if spec.server_ref is None:
        return _unnamed(webhook, servers, allows, served_by, shared)
    wanted = server_name(webhook, spec)
    if wanted in servers:
        return wanted, ()
    allowing = sorted(filter(allows, servers))
    near = closest(wanted or "", allowing)
    hint = f"did you mean {near}?" if near else "fix it"
    message = f"no WebhookServer {wanted} (found: {', '.join(allowing) or 'none'}); {hint}"
    return None, (webhook.problem("spec.serverRef", message, reason=Reason.SERVER_NOT_FOUND),)


def _unnamed(
    webhook: Resource,
    servers: Collection[str],
    allows: Callable[[str], bool],
    served_by: Collection[str],
    shared: Collection[str] | None,
) -> Found:
    own = {name for name in servers if _namespace(name) == webhook.namespace}
    near = own | {name for name in servers if shared is None or _namespace(name) in shared}
    allowing = sorted(filter(allows, servers))
    candidates = [name for name in allowing if name in own] or [name for name in allowing if name in near]
    stays = next((name for name in allowing if name in served_by), None)
    if len(candidates) == 1 and stays in (None, candidates[0]):
        return candidates[0], ()
    if not candidates and len(near) == 1 and stays is None:
        return next(iter(near)), ()  # compiling the resource reports what the server doesn't allow
    until = "" if stays is None else f"; until then {stays} serves it as before"
    several = sorted({*candidates, *([] if stays is None else [stays])}) if candidates else []
    if not servers:
        message, reason = "and there is no WebhookServer; create one", Reason.SERVER_NOT_FOUND
    elif several:
        message, reason = f"and there are several ({', '.join(several)}); set it", Reason.SERVER_AMBIGUOUS
    elif allowing:
        places = " or ".join(dict.fromkeys((webhook.namespace, *sorted(shared or ()))))
        message = f"and there is no WebhookServer in namespace {places}; set it, to choose {' or '.join(allowing)}"
        reason = Reason.SERVER_NOT_FOUND
    else:
        message = f"and no WebhookServer serves namespace {webhook.namespace}; allow it in one"
        reason = Reason.NAMESPACE_NOT_ALLOWED
    return stays, (webhook.problem("spec.serverRef", f"is missing {message}{until}", reason=reason),)


def server_name(webhook: Resource, spec: AggregatorWebhookSpec) -> str | None:
    """``namespace/name`` of the server in its serverRef; None without one."""
    reference = spec.server_ref
    return None if reference is None else f"{reference.namespace or webhook.namespace}/{reference.name}"


def _namespace(server: str) -> str:
    return server.partition("/")[0]
