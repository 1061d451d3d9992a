"""Waits for a job of the server and shows how far it is."""

import time
from collections.abc import Callable
from typing import Any

import click
from rich.console import Console

from trackpush_cli.admin_port import AdminPort
from trackpush_cli.errors import ProblemsFoundError

_POLL_SECONDS = 0.2


def follow(
    port: AdminPort, path: str, job: dict[str, Any], progress: Callable[[dict[str, Any]], str]
) -> dict[str, Any]:
    """Wait for its end, on a terminal with a line that moves.

    Raises:
        ProblemsFoundError: it failed; the message is the server's.
    """
    console = Console(stderr=True)
    with console.status(progress(job)) as status:
        while job["state"] == "running":
            time.sleep(_POLL_SECONDS)
            job = port.ask("GET", f"{path}/{job['id']}")
            status.update(progress(job))
    if job["state"] == "failed":
        raise ProblemsFoundError(f"{job['id']}: {job['error']}; {progress(job)} before that. Run the command again")
    return job


def cancel(port: AdminPort, path: str, job: dict[str, Any]) -> dict[str, Any]:
    """End it after Ctrl-C."""
    click.echo("ending the job", err=True)
    found: dict[str, Any] = port.ask("DELETE", f"{path}/{job['id']}")
    return found
