"""`trackpush demo`: shows how updates are received, stored and pushed."""

import asyncio
import contextlib
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click
from rich.console import Console

from trackpush_cli.demo.run import Demo, Folders, Options, judge
from trackpush_cli.errors import INTERRUPTED, CommandError, ProblemsFoundError

_ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def _folders(data: Path | None, *, keep: bool) -> Iterator[Folders]:
    if data is None:
        root = Path(tempfile.mkdtemp(prefix="trackpush-demo-"))
    else:
        root = data
        try:
            root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CommandError(f"--data {root}: {error.strerror}") from None
        if any(root.iterdir()):
            raise CommandError(
                f"--data {root} is not empty: give a new folder, the demo writes resources and a journal there"
            )
    try:
        yield Folders(root)
    finally:
        if data is None and not keep:
            shutil.rmtree(root, ignore_errors=True)


async def _play(demo: Demo) -> tuple[list[str], bool]:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in _ENDS:
        loop.add_signal_handler(number, stop.set)
    return await demo.run(stop), stop.is_set()


@click.command("demo")
@click.option(
    "--once", is_flag=True, help="Post every sample once, check that each push arrived once and in order, exit."
)
@click.option("--keep", is_flag=True, help="Keep the folder (resources, journal, log) after the demo.")
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder to use and keep. Default: a temporary one.",
)
@click.option(
    "--rate", type=click.FloatRange(0.1, 1000), default=2.0, show_default=True, help="Invented updates per second."
)
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the invented shipments.")
def command(*, once: bool, keep: bool, data: Path | None, rate: float, seed: int) -> None:
    """Run a demo on this machine, without Kubernetes.

    Starts a server for three invented clients, posts the aggregators' sample payloads and then invented shipments,
    and shows how each update is received, stored and pushed. One client fails at first and gets its pushes by retry.

    Exit code: 0 when every push arrived exactly once and in order per shipment, 1 when not.
    """
    console = Console(highlight=False)
    kept = keep or data is not None
    with _folders(data, keep=keep) as folders:
        demo = Demo(folders, Options(once=once, rate=rate, seed=seed), console)
        problems, interrupted = asyncio.run(_play(demo))
        if kept:
            console.print(f"kept in {folders.root}", markup=False, soft_wrap=True)
        if problems:
            raise ProblemsFoundError(*judge(problems).split("\n"))
        console.print(judge(problems), markup=False)
    if interrupted and once:
        raise SystemExit(INTERRUPTED)
