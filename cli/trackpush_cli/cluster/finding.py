"""Finds the WebhookServer, one of its pods, and the admin token."""

import base64
import binascii
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from trackpush_cli.cluster.access import AccessDeniedError, Body, ClusterAccess, MissingError
from trackpush_cli.errors import CommandError
from trackpush_operator.desired.inputs import ROLE_LABEL, STANDBY
from trackpush_operator.kube.kinds import INSTANCE_LABEL, MANAGED_BY_LABEL, MANAGER, PODS, SECRETS, SERVERS

_ADMIN_PORT: Final = 8081
_MOST_NAMES: Final = 10


class PodPort(NamedTuple):
    """The admin port of one pod."""

    namespace: str
    pod: str
    port: int
    is_ready: bool = True


def find_server(access: ClusterAccess, *, namespace: str | None, server: str | None) -> tuple[str, str]:
    """Namespace and name of the WebhookServer: the named one, otherwise the only one.

    Raises:
        CommandError: there is none, or there are several.
    """
    if server is not None:
        given, slash, name = server.partition("/")
        where = given if slash else namespace or access.namespace
        body = access.get(SERVERS, where, name if slash else given)
        return where, str(body["metadata"]["name"])
    found = [
        (server["metadata"]["namespace"], server["metadata"]["name"]) for server in visible_servers(access, namespace)
    ]
    if len(found) == 1:
        return found[0]
    place = "in any namespace" if namespace is None else f"in namespace {namespace}"
    if not found:
        raise CommandError(f"no WebhookServer {place} of context {access.context}; docs/cli.md shows how to name one")
    names = ", ".join(f"{space}/{name}" for space, name in found[:_MOST_NAMES])
    raise CommandError(f"several WebhookServers {place} ({names}); name one with --server NAMESPACE/NAME")


def visible_servers(access: ClusterAccess, namespace: str | None) -> list[Body]:
    """Visible WebhookServers: in all namespaces, or if that is forbidden, in the context's namespace."""
    try:
        return list(access.all(SERVERS, namespace))
    except AccessDeniedError:
        if namespace is not None:
            raise
        return list(access.all(SERVERS, access.namespace))


def server_pods(access: ClusterAccess, namespace: str, name: str) -> list[PodPort]:
    """The running pods of a server, ready ones first, without its standby, which has no journal."""
    labels = f"{MANAGED_BY_LABEL}={MANAGER},{INSTANCE_LABEL}={name},{ROLE_LABEL}!={STANDBY}"
    pods = [_pod_port(pod) for pod in access.all(PODS, namespace, labels=labels) if _runs(pod)]
    return sorted(pods, key=lambda pod: not pod.is_ready)


def admin_token(access: ClusterAccess, namespace: str, name: str) -> str:
    """The token of the server's admin port.

    Raises:
        AccessDeniedError: the user may not read the Secret; the message says what to do.
        CommandError: the Secret does not exist, or is empty.
    """
    secret = f"{name}-admin-token"
    try:
        body = access.get(SECRETS, namespace, secret)
        token = base64.b64decode(str((body.get("data") or {}).get("token", "")), validate=True).decode().strip()
    except AccessDeniedError as error:
        raise AccessDeniedError(
            f"you may not read Secret {namespace}/{secret}, which holds the admin port's token ({error.message});"
            f" ask for get on this Secret, or pass the token with --token-file"
        ) from None
    except MissingError:
        token = ""
    except (binascii.Error, UnicodeDecodeError):
        token = ""
    if not token:
        raise CommandError(
            f"Secret {namespace}/{secret} has no token; the operator creates it:"
            f" kubectl -n {namespace} describe webhookserver {name}"
        )
    return token


def _runs(pod: Body) -> bool:
    return (pod.get("status") or {}).get("phase") == "Running" and not pod["metadata"].get("deletionTimestamp")


def _pod_port(pod: Body) -> PodPort:
    conditions = (pod.get("status") or {}).get("conditions") or []
    ready = any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)
    return PodPort(pod["metadata"]["namespace"], pod["metadata"]["name"], _port(pod["spec"]["containers"]), ready)


def _port(containers: Iterable[dict[str, Any]]) -> int:
    ports = (port for container in containers for port in container.get("ports") or ())
    return next((int(port["containerPort"]) for port in ports if port.get("name") == "admin"), _ADMIN_PORT)
