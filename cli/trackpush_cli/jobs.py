"""Waits for a job of the server and shows its progress."""

import time
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from trackpush_api.printable import printable
from trackpush_cli.admin_port import AdminClient
from trackpush_cli.errors import ProblemsFoundError
from trackpush_cli.output import say

Job = dict[str, Any]
_POLL_SECONDS = 0.2


def follow(
    port: AdminClient,
    path: str,
    job: Job,
    progress: Callable[[Job], str],
    *,
    share: Callable[[Job], tuple[int, int]] | None = None,
) -> Job:
    """Wait until the job ends, with a progress bar on a terminal; ``share`` returns the done and the total amount.

    Raises:
        ProblemsFoundError: it failed; the message is the server's.
    """
    with _bar(counted=share is not None) as bar:
        task = bar.add_task(printable(progress(job)), total=None)
        while job["state"] == "running":
            time.sleep(_POLL_SECONDS)
            job = port.ask("GET", f"{path}/{job['id']}")
            done, total = (0, 0) if share is None else share(job)
            bar.update(task, description=printable(progress(job)), completed=done, total=total or None)
    if job["state"] == "failed":
        raise ProblemsFoundError(f"{job['id']}: {job['error']}; {progress(job)} before that. Run the command again")
    return job


def cancel(port: AdminClient, path: str, job: Job) -> Job:
    say("ending the job", err=True)
    found: Job = port.ask("DELETE", f"{path}/{job['id']}")
    return found


def _bar(*, counted: bool) -> Progress:
    """Progress, on stderr so that the result can be piped; silent if stderr is not a terminal."""
    console = Console(stderr=True)
    parts = (BarColumn(), MofNCompleteColumn()) if counted else ()
    return Progress(
        SpinnerColumn(), TextColumn("{task.description}", markup=False), *parts, TimeElapsedColumn(),
        console=console, transient=True, disable=not console.is_terminal,
    )  # fmt: skip
