"""Which WebhookServer an AggregatorWebhook is for. Pure."""

from collections.abc import Callable, Collection

from trackpush_api.kinds import AggregatorWebhookSpec
from trackpush_api.manifest import Resource
from trackpush_api.problems import Problem, Reason
from trackpush_api.suggestions import closest

Found = tuple[str | None, tuple[Problem, ...]]


def find_server(
    webhook: Resource, servers: Collection[str], allows: Callable[[str], bool], served_by: Collection[str] = ()
) -> Found:
    """Which of these WebhookServers (``namespace/name``) the resource names, or leaves as the only one.

    Without a ``serverRef`` only the servers that allow its namespace count: nobody may make another tenant's choice
    ambiguous. While it is ambiguous nevertheless, the server that serves the resource now (``served_by``) stays with
    it, and the problem says so.
    """
    spec = webhook.spec
    if not isinstance(spec, AggregatorWebhookSpec):
        return None, ()
    allowing = sorted(name for name in servers if allows(name))
    if spec.server_ref is None:
        return _only(webhook, servers, allowing, served_by)
    wanted = server_name(webhook, spec)
    if wanted in servers:
        return wanted, ()
    near = closest(wanted or "", allowing)
    hint = f"did you mean {near}?" if near else "fix it"
    message = f"no WebhookServer {wanted} (found: {', '.join(allowing) or 'none'}); {hint}"
    return None, (webhook.problem("spec.serverRef", message, reason=Reason.SERVER_NOT_FOUND),)


def _only(webhook: Resource, servers: Collection[str], allowing: list[str], served_by: Collection[str]) -> Found:
    if len(allowing) == 1:
        return allowing[0], ()
    if not allowing and len(servers) == 1:
        return next(iter(servers)), ()  # compiling says what it doesn't allow
    stays = next((name for name in allowing if name in served_by), None)
    if not servers:
        message, reason = "is missing and there is no WebhookServer; make one", Reason.SERVER_NOT_FOUND
    elif not allowing:
        message = f"is missing and no WebhookServer serves namespace {webhook.namespace}; have one allow it"
        reason = Reason.NAMESPACE_NOT_ALLOWED
    else:
        until = "" if stays is None else f"; until then {stays} serves it as before"
        message = f"is missing and there are several ({', '.join(allowing)}); set it{until}"
        reason = Reason.SERVER_AMBIGUOUS
    return stays, (webhook.problem("spec.serverRef", message, reason=reason),)


def server_name(webhook: Resource, spec: AggregatorWebhookSpec) -> str | None:
    """``namespace/name`` in its serverRef; None without one."""
    reference = spec.server_ref
    return None if reference is None else f"{reference.namespace or webhook.namespace}/{reference.name}"
