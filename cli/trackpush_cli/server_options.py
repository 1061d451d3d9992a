"""Chooses the server of a command: the options, and the connection to its admin port.

``--admin`` comes first. Otherwise, if the options name a cluster or kubectl calls the program, the server is in the
cluster. Otherwise it is the server on this machine; if nothing listens there and there is a kubeconfig, it is the one
in the cluster.
"""

import functools
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from trackpush_cli.admin_port import TIMEOUT, AdminClient, direct, read_token
from trackpush_cli.errors import CommandError
from trackpush_cli.option_lists import with_options
from trackpush_cli.program import is_plugin

if TYPE_CHECKING:
    from trackpush_cli.cluster.access import ClusterAccess
    from trackpush_cli.cluster.finding import PodPort

LOCAL: Final = ("127.0.0.1", 8081)
LOCAL_URL: Final = "http://127.0.0.1:8081"
_CONNECT_SECONDS: Final = 0.5


class ServerChoice(NamedTuple):
    """The values of the options."""

    admin: str | None
    token_file: Path | None
    kubeconfig: Path | None
    context: str | None
    namespace: str | None
    server: str | None
    as_user: str | None
    as_groups: tuple[str, ...]
    as_uid: str | None

    @property
    def names_a_cluster(self) -> bool:
        """Whether the options name a cluster."""
        if self.admin is not None:
            return False
        return is_plugin() or any(
            (self.kubeconfig, self.context, self.namespace, self.server, self.as_user, self.as_groups, self.as_uid)
        )

    @property
    def is_in_a_cluster(self) -> bool:
        """Whether to look for the server in a cluster."""
        if self.names_a_cluster:
            return True
        return self.admin is None and not _listens_here() and _has_kubeconfig()

    def cluster(self, *, instead: str = "--admin URL names the server") -> "ClusterAccess":
        """The cluster. Raises `CommandError` without a usable kubeconfig; ``instead`` then says what to do."""
        from trackpush_cli.cluster.access import ClusterAccess, ClusterFlags  # noqa: PLC0415  slow to import
        from trackpush_cli.cluster.impersonation import Impersonation  # noqa: PLC0415  same

        acting_as = Impersonation(self.as_user or "", self.as_groups, self.as_uid or "")
        return ClusterAccess(ClusterFlags(self.kubeconfig, self.context, acting_as), instead=instead)

    def open(self) -> AdminClient:
        """Find the admin port; it is closed when the command ends.

        Raises:
            CommandError: there is none; the message says what to do.
        """
        if self.is_in_a_cluster:
            port = forwarded(self.cluster(), self)
        else:
            port = direct(self.admin or LOCAL_URL, self.token_file)
        click.get_current_context().call_on_close(port.close)
        return port


def forwarded(access: "ClusterAccess", choice: ServerChoice) -> AdminClient:
    """The admin port of a pod of the chosen server through port-forward. Prefers a ready pod.

    Raises:
        CommandError: there is no server or no running pod, or the user may not connect.
    """
    from trackpush_cli.cluster import finding  # noqa: PLC0415  slow to import

    namespace, name = finding.find_server(access, namespace=choice.namespace, server=choice.server)
    token = read_token(choice.token_file) if choice.token_file else finding.admin_token(access, namespace, name)
    pods = finding.server_pods(access, namespace, name)
    if not pods:
        raise CommandError(
            f"WebhookServer {namespace}/{name} has no running pod;"
            f" kubectl -n {namespace} get pods -l app.kubernetes.io/instance={name}"
        )
    return port_to(access, pods[0], f"{namespace}/{name}", token)


def port_to(access: "ClusterAccess", pod: "PodPort", name: str, token: str) -> AdminClient:
    """The admin port of one pod of the server ``name``."""
    from trackpush_cli.cluster.forward import ForwardedConnection  # noqa: PLC0415  slow to import

    return AdminClient(
        ForwardedConnection(access, pod, timeout=TIMEOUT),
        name=f"WebhookServer {name} (pod {pod.pod})",
        token=token,
        advice=f"kubectl -n {pod.namespace} logs {pod.pod} shows why",
    )


def server_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options; the command gets them as one argument ``server: ServerChoice``."""

    @functools.wraps(command)
    def with_choice(**given: Any) -> Any:
        choice = ServerChoice(**{name: given.pop(name) for name in ServerChoice._fields})
        return command(server=choice, **given)

    return with_options(with_choice, _OPTIONS)


_OPTIONS: Final = (
    click.option(
        "--admin",
        metavar="URL",
        envvar="TRACKPUSH_ADMIN",
        help="Admin port. Default: on this machine, else found in the cluster. [env: TRACKPUSH_ADMIN]",
    ),
    click.option(
        "--token-file",
        type=click.Path(path_type=Path),
        envvar="TRACKPUSH_ADMIN_TOKEN_FILE",
        help="File with the admin token. Default in a cluster: its Secret. [env: TRACKPUSH_ADMIN_TOKEN_FILE]",
    ),
    click.option("--kubeconfig", type=click.Path(path_type=Path), help="As in kubectl."),
    click.option("--context", help="As in kubectl."),
    click.option("-n", "--namespace", help="Namespace of the WebhookServer."),
    click.option("--as", "as_user", metavar="USER", help="As in kubectl: act as this user."),
    click.option("--as-group", "as_groups", multiple=True, metavar="GROUP", help="As in kubectl; may be repeated."),
    click.option("--as-uid", metavar="UID", help="As in kubectl."),
    click.option("--server", metavar="NAMESPACE/NAME", help="The WebhookServer, if there are several."),
)


def _listens_here() -> bool:
    try:
        socket.create_connection(LOCAL, timeout=_CONNECT_SECONDS).close()
    except OSError:
        return False
    return True


def _has_kubeconfig() -> bool:
    named = os.environ.get("KUBECONFIG", "")
    return bool(named) or (Path.home() / ".kube" / "config").exists()
