"""`trackpush operator`: keeps the servers of a cluster running and programmed."""

from pathlib import Path
from typing import Literal

import click

from trackpush_cli.errors import CommandError
from trackpush_cli.moments import Duration
from trackpush_cli.serve import Address

LOG_LEVELS = ("debug", "info", "warning", "error")


class Label(click.ParamType[tuple[str, str]]):
    """``KEY=VALUE``."""

    name = "key=value"

    def convert(
        self, value: str | tuple[str, str], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Parse, or fail with the valid forms."""
        if isinstance(value, tuple):
            return value
        key, equals, text = value.partition("=")
        if not key or not equals:
            self.fail(f"{value!r} is not a label; write app.kubernetes.io/name=trackpush", param, ctx)
        return key, text


@click.command("operator")
@click.option("--image", required=True, envvar="TRACKPUSH_IMAGE", help="Image of the servers.")
@click.option(
    "--image-pull-policy",
    type=click.Choice(("Always", "IfNotPresent", "Never")),
    help="Pull policy of the servers' image. Default: Kubernetes' default for the tag.",
)
@click.option(
    "--image-pull-secret",
    "image_pull_secrets",
    multiple=True,
    help="Pull Secret for the servers' image, in each WebhookServer's namespace; may be repeated.",
)
@click.option(
    "--namespace", "namespaces", multiple=True, help="Watch only this namespace; may be repeated. Default: all."
)
@click.option(
    "--operator-namespace",
    default="trackpush",
    show_default=True,
    envvar="POD_NAMESPACE",
    help="Namespace of the operator.",
)
@click.option(
    "--shared-namespace",
    "shared_namespaces",
    multiple=True,
    help="Its WebhookServers serve AggregatorWebhooks of other namespaces without serverRef, too; may be repeated."
    " Default: --operator-namespace.",
)
@click.option(
    "--operator-label", "labels", type=Label(), multiple=True, help="Label of the operator's own pods; may be repeated."
)
@click.option("--lease-namespace", help="Namespace of the leader election Lease. Default: --operator-namespace.")
@click.option(
    "--lease-name", default="trackpush-operator", show_default=True, help="Name of the leader election Lease."
)
@click.option("--identity", envvar="POD_NAME", help="Identity in the leader election; unique, such as the pod's name.")
@click.option(
    "--health-listen",
    type=Address(),
    default="0.0.0.0:8082",
    show_default=True,
    help="Address of /livez, /readyz and /metrics.",
)
@click.option(
    "--default-server", type=click.Path(path_type=Path), help="JSON file of a WebhookServer to apply at the start."
)
@click.option(
    "--drop-unwatched",
    is_flag=True,
    help="With --namespace: stop serving clients in other namespaces. Default: keep serving them.",
)
@click.option(
    "--allow-any-annotation",
    "any_annotation",
    is_flag=True,
    help="Accept every annotation in spec.expose.ingress, also those that change a shared ingress controller.",
)
@click.option(
    "--allow-any-pod-template",
    "any_pod_template",
    is_flag=True,
    help="Accept every field of spec.podTemplate: anyone who can write a WebhookServer is then root on a node.",
)
@click.option(
    "--no-fixed-user",
    is_flag=True,
    help="Set no user in the servers' pods: the platform assigns one, for example OpenShift.",
)
@click.option(
    "--monitor-label",
    "monitor_labels",
    type=Label(),
    multiple=True,
    help="Label of the servers' ServiceMonitors; may be repeated.",
)
@click.option(
    "--resync",
    type=Duration(),
    default="10m",
    show_default=True,
    help="Interval of full lists, in case a watch missed something.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=8,
    show_default=True,
    help="Concurrent requests to the API server, for each queue.",
)
@click.option("--kubeconfig", type=click.Path(path_type=Path), envvar="KUBECONFIG", help="For use outside a cluster.")
@click.option("--context", help="Context in the kubeconfig.")
@click.option(
    "--log-level",
    type=click.Choice(LOG_LEVELS),
    default="info",
    show_default=True,
    help="Lowest level of log lines to write.",
)
@click.option(
    "--log-format",
    type=click.Choice(("console", "json")),
    help="Log format. Default: console in a terminal, else json.",
)
def command(
    *,
    image: str,
    image_pull_policy: str | None,
    image_pull_secrets: tuple[str, ...],
    namespaces: tuple[str, ...],
    operator_namespace: str,
    shared_namespaces: tuple[str, ...],
    labels: tuple[tuple[str, str], ...],
    lease_namespace: str | None,
    lease_name: str,
    identity: str | None,
    health_listen: tuple[str, int],
    default_server: Path | None,
    drop_unwatched: bool,
    any_annotation: bool,
    any_pod_template: bool,
    no_fixed_user: bool,
    monitor_labels: tuple[tuple[str, str], ...],
    resync: float,
    workers: int,
    kubeconfig: Path | None,
    context: str | None,
    log_level: Literal["debug", "info", "warning", "error"],
    log_format: Literal["console", "json"] | None,
) -> None:
    """Run the operator: create the servers of a cluster and configure them from its resources.

    SIGTERM or Ctrl-C stops it and releases the Lease. Servers keep running without it.
    """
    import asyncio  # noqa: PLC0415  only here, for a fast start

    from trackpush_operator.app import run  # noqa: PLC0415  same
    from trackpush_operator.kube.connection import NoClusterError  # noqa: PLC0415  same
    from trackpush_operator.logs import configure  # noqa: PLC0415  same
    from trackpush_operator.options import DEFAULT_LABELS, OperatorOptions  # noqa: PLC0415  same
    from trackpush_operator.reconcile.default_server import NoDefaultServerError  # noqa: PLC0415  same
    from trackpush_operator.reconcile.default_server import read as read_default_server  # noqa: PLC0415  same

    try:
        options = OperatorOptions(
            image=image,
            image_pull_policy=image_pull_policy,
            image_pull_secrets=image_pull_secrets,
            namespaces=namespaces,
            drop_unwatched=drop_unwatched,
            operator_namespace=operator_namespace,
            shared_namespaces=shared_namespaces,
            operator_labels=dict(labels) or dict(DEFAULT_LABELS),
            lease_namespace=lease_namespace or operator_namespace,
            lease_name=lease_name,
            identity=identity or "",
            health_listen=health_listen,
            default_server=None if default_server is None else read_default_server(default_server),
            any_annotation=any_annotation,
            any_pod_template=any_pod_template,
            fixed_user=not no_fixed_user,
            monitor_labels=dict(monitor_labels),
            resync_seconds=resync,
            workers=workers,
            kubeconfig=kubeconfig,
            context=context,
        )
    except NoDefaultServerError as error:
        raise CommandError(str(error)) from None
    configure(log_format, level=log_level)
    try:
        kept = asyncio.run(run(options))
    except NoClusterError as error:
        raise CommandError(str(error)) from None
    if not kept:
        raise SystemExit(1)
