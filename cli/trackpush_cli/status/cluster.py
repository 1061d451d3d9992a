"""The state of a cluster: the conditions of all resources, and what each server's pods answer."""

from collections.abc import Iterable

import msgspec

from trackpush_cli.admin_port import read_token
from trackpush_cli.cluster import finding
from trackpush_cli.cluster.access import AccessDeniedError, Body, ClusterAccess
from trackpush_cli.errors import CommandError
from trackpush_cli.server_options import ServerChoice, port_to
from trackpush_cli.status import servers
from trackpush_cli.status.findings import of_resources
from trackpush_cli.status.servers import ServerReport, ServerState
from trackpush_operator.kube.kinds import PUSH_CONFIGS, SERVERS, WEBHOOKS
from trackpush_server.admin.finding import StatusFinding


class ClusterState(msgspec.Struct, frozen=True):
    """Everything that was found."""

    servers: tuple[ServerState, ...]
    findings: tuple[StatusFinding, ...]


def look(access: ClusterAccess, choice: ServerChoice) -> ClusterState:
    """Read everything visible; if ``choice`` names a namespace, only this one and the servers that it uses.

    Raises:
        CommandError: the API server doesn't answer, or the user may read nothing.
    """
    resources = _resources(access, choice.namespace)
    bodies = list(_servers(access, choice, resources))
    answers = [_ask(access, choice, body) for body in bodies]
    kinds = {
        "WebhookServer": bodies,
        "Other": [resource for resource in resources if resource["kind"] != "WebhookServer"],
    }
    found = [*of_resources(body for group in kinds.values() for body in group)]
    told = {(finding.name, finding.condition) for finding in found}
    shown = {f"{resource['metadata']['namespace']}/" for resource in resources} if choice.namespace else None
    for answer in answers:
        fresh = [finding for finding in answer.findings if (finding.name, finding.condition) not in told]
        found += [
            finding
            for finding in fresh
            if shown is None or finding.kind == "WebhookServer" or _within(finding.name, shown)
        ]
    return ClusterState(tuple(_visible(answer.state, shown) for answer in answers), tuple(found))


def _visible(state: ServerState, prefixes: set[str] | None) -> ServerState:
    """The state without accounts of namespaces that were not asked for."""
    if prefixes is None:
        return state
    own = tuple(account for account in state.accounts if _within(account.name, prefixes))
    return msgspec.structs.replace(state, accounts=own)


def _within(name: str, prefixes: Iterable[str]) -> bool:
    return name.startswith(tuple(prefixes))


def _resources(access: ClusterAccess, namespace: str | None) -> list[Body]:
    """The resources of all namespaces, or if that is forbidden, of the context's namespace."""
    found: list[Body] = []
    for api in (SERVERS, WEBHOOKS, PUSH_CONFIGS):
        try:
            items = list(access.all(api, namespace))
        except AccessDeniedError:
            if namespace is not None:
                raise
            items = list(access.all(api, access.namespace))
        found += [{**item, "kind": api.kind} for item in items]
    return found


def _servers(access: ClusterAccess, choice: ServerChoice, resources: list[Body]) -> Iterable[Body]:
    """The named server; otherwise the visible ones, and servers of other namespaces that the resources use."""
    if choice.server is not None:
        namespace, name = finding.find_server(access, namespace=choice.namespace, server=choice.server)
        return [{**access.get(SERVERS, namespace, name), "kind": SERVERS.kind}]
    found = {_name(resource): resource for resource in resources if resource["kind"] == SERVERS.kind}
    for resource in resources:
        reference = (resource.get("spec") or {}).get("serverRef") if resource["kind"] == WEBHOOKS.kind else None
        if reference is None:
            continue
        namespace = reference.get("namespace") or resource["metadata"]["namespace"]
        if f"{namespace}/{reference['name']}" in found:
            continue
        try:
            body = access.get(SERVERS, namespace, reference["name"])
        except CommandError:
            continue  # the resource's own condition reports it
        found[f"{namespace}/{reference['name']}"] = {**body, "kind": SERVERS.kind}
    return found.values()


def _ask(access: ClusterAccess, choice: ServerChoice, server: Body) -> ServerReport:
    namespace, name = server["metadata"]["namespace"], server["metadata"]["name"]
    shown = f"{namespace}/{name}"
    try:
        pods = finding.server_pods(access, namespace, name)
        if not pods:
            return ServerReport(ServerState(name=shown, pods=0, ready_pods=0, answered=False))
        token = read_token(choice.token_file) if choice.token_file else finding.admin_token(access, namespace, name)
    except CommandError as error:
        told = StatusFinding(
            severity="warning", kind=SERVERS.kind, name=shown, condition="Answering", reason="NotAsked",
            message=error.message,
        )  # fmt: skip
        return ServerReport(ServerState(name=shown, answered=False), (told,))
    port = port_to(access, pods[0], shown, token)
    try:
        answer = servers.ask(port, shown)
    finally:
        port.close()
    counted = msgspec.structs.replace(answer.state, pods=len(pods), ready_pods=sum(pod.is_ready for pod in pods))
    return ServerReport(counted, answer.findings)


def _name(body: Body) -> str:
    return f"{body['metadata']['namespace']}/{body['metadata']['name']}"
