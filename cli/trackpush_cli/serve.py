"""`trackpush serve`: the server in the foreground, from a folder of resources, without Kubernetes."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from trackpush_cli.console_options import ConsoleChoice, console_options
from trackpush_cli.errors import CommandError, ProblemsFoundError
from trackpush_cli.moments import Duration

if TYPE_CHECKING:
    from trackpush_server.config.source import Source


class Address(click.ParamType[tuple[str, int]]):
    """``HOST:PORT``; IPv6 addresses in brackets. Port 0 takes a free one."""

    name = "host:port"

    def convert(
        self, value: str | tuple[str, int], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        """Parse, or fail with the valid forms."""
        if isinstance(value, tuple):
            return value
        host, colon, port = value.rpartition(":")
        if not colon or not host or not port.isdigit() or int(port) > 65535 or (":" in host) != host.startswith("["):  # noqa: PLR2004  TCP's own limit
            self.fail(f"{value!r} is not an address; write 127.0.0.1:8080, 0.0.0.0:8080 or [::]:8080", param, ctx)
        return host.strip("[]"), int(port)


@click.command("serve")
@click.argument("directory", metavar="[DIR]", type=click.Path(path_type=Path), required=False)
@click.option(
    "--shards",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Instead of DIR: folder of the operator's routing table (settings.json, 00.json … 62.json).",
)
@click.option("--listen", type=Address(), default="127.0.0.1:8080", show_default=True, help="Address for aggregators.")
@click.option(
    "--admin-listen",
    type=Address(),
    default="127.0.0.1:8081",
    show_default=True,
    help="Address of the admin port; keep it private.",
)
@click.option(
    "--portal-listen",
    envvar="TRACKPUSH_PORTAL_LISTEN",
    show_envvar=True,
    type=Address(),
    help="Address of the portal for the clients' own people. Default: it is not served.",
)
@click.option(
    "--admin-token-file",
    type=click.Path(path_type=Path),
    help="File with the admin port's token (not for /livez, /readyz, /metrics). Without it: loopback only.",
)
@click.option(
    "--admin-view-token-file",
    envvar="TRACKPUSH_ADMIN_VIEW_TOKEN_FILE",
    show_envvar=True,
    type=click.Path(path_type=Path),
    help="File with a second token, with the role view: no changes, no personal data.",
)
@console_options
@click.option(
    "--data", type=click.Path(path_type=Path), required=True, help="Folder of the journal; created if missing."
)
@click.option(
    "--data-volume",
    is_flag=True,
    envvar="TRACKPUSH_DATA_VOLUME",
    show_envvar=True,
    help="Accept that other users may write to --data, because it is the root of a volume that only this pod mounts.",
)
@click.option(
    "--wait",
    is_flag=True,
    envvar="TRACKPUSH_WAIT",
    show_envvar=True,
    help="Start unready and wait while --data can't be used or is in use. Default: exit with 1.",
)
@click.option("--server", help="NAMESPACE/NAME of the WebhookServer, if DIR contains several.")
@click.option(
    "--log-format",
    type=click.Choice(("console", "json")),
    help="Log format. Default: console in a terminal, else json.",
)
@click.option(
    "--standby",
    is_flag=True,
    help="Receive for the server that serves the same --data on this machine, while it is replaced; it reads in later.",
)
@click.option(
    "--receivers",
    type=click.IntRange(0, 16),
    default=0,
    show_default=True,
    help="Number of receiving processes, to use several cores; 0: the main process receives, stores and pushes.",
)
@click.option(
    "--drain-grace",
    type=Duration(),
    default="25s",
    show_default=True,
    help="Time to finish open requests and attempts on exit.",
)
@click.option(
    "--lease",
    type=Duration(),
    default="10s",
    show_default=True,
    help="With PostgreSQL: other replicas take over after this time without a heartbeat.",
)
@click.option(
    "--await-settings",
    is_flag=True,
    help="With --shards: wait for settings.json, which names the journal, before opening anything.",
)
def command(
    *,
    directory: Path | None,
    shards: Path | None,
    listen: tuple[str, int],
    admin_listen: tuple[str, int],
    portal_listen: tuple[str, int] | None,
    admin_token_file: Path | None,
    admin_view_token_file: Path | None,
    console: ConsoleChoice,
    data: Path,
    data_volume: bool,
    wait: bool,
    server: str | None,
    log_format: Literal["console", "json"] | None,
    standby: bool,
    receivers: int,
    drain_grace: float,
    lease: float,
    await_settings: bool,
) -> None:
    """Receive, store and push tracking updates, configured by the resources (*.yaml) in DIR or by shards.

    A changed file takes effect within a second. If it is broken, its resources keep their previous version; other
    files take effect. SIGTERM or Ctrl-C drains and exits; no update that was answered with 200 is lost.
    """
    import asyncio  # noqa: PLC0415  only here, for a fast start
    import os  # noqa: PLC0415  same

    from trackpush_runtime.errors import CannotStartError, UnusableDataError  # noqa: PLC0415  same
    from trackpush_server import logs  # noqa: PLC0415  same
    from trackpush_server.options import ServeOptions  # noqa: PLC0415  same
    from trackpush_server.runtime import tune  # noqa: PLC0415  same
    from trackpush_server.server import Server  # noqa: PLC0415  same
    from trackpush_server.standby import Standby  # noqa: PLC0415  same
    from trackpush_server.storage import storage_of  # noqa: PLC0415  same
    from trackpush_server.tracing.environment import tracing  # noqa: PLC0415  same

    folder = directory or shards
    if folder is None or (directory is not None and shards is not None):
        raise click.UsageError("give either a folder of resources (DIR) or a folder of shards (--shards DIR)")
    options = ServeOptions(
        folder=folder,
        listen=listen,
        admin_listen=admin_listen,
        portal_listen=portal_listen,
        admin_token_file=admin_token_file,
        admin_view_token_file=admin_view_token_file,
        console=console.options(),
        data=data,
        data_volume=data_volume,
        wait=wait,
        server=server,
        log_format=log_format,
        standby=standby,
        receivers=receivers,
        drain_grace=drain_grace,
        lease=lease,
    )

    source = _source(directory, shards, server)

    tune()

    async def run() -> None:
        logs.configure(log_format)
        if standby:
            await Standby(options, source=source, tracing=traced).run()
            return
        storage = await storage_of(source, waits=await_settings)
        await Server(options, source=source, storage=storage, tracing=traced).run()

    try:
        traced = tracing(os.environ)
        asyncio.run(run())
    except UnusableDataError as error:
        raise ProblemsFoundError(str(error)) from None
    except CannotStartError as error:
        raise CommandError(*str(error).split("\n")) from None


def _source(directory: Path | None, shards: Path | None, server: str | None) -> "Source":
    if shards is not None:
        from trackpush_server.config.shards import ShardFolder  # noqa: PLC0415  only here, for a fast start

        return ShardFolder(shards, server=server)
    from trackpush_server.config.notices import Notices  # noqa: PLC0415  same
    from trackpush_server.config.resources import ResourceFolder  # noqa: PLC0415  same

    assert directory is not None
    return ResourceFolder(directory, server=server, notices=Notices(directory))
