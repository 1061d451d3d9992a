"""`trackpush reseal`: encrypts stored bodies with the first key. docs/encryption.md."""

from typing import Any

import click

from trackpush_cli.errors import INTERRUPTED, ProblemsFoundError
from trackpush_cli.jobs import cancel, follow
from trackpush_cli.output import output_option, print_data, say
from trackpush_cli.server_options import ServerChoice, server_options

_PATH = "/api/v1/reseals"


@click.command(
    "reseal",
    epilog="Exit code: 0 if all bodies are encrypted as configured; 1 if a key is missing or it failed; 2 no server.",
)
@server_options
@output_option
def command(*, server: ServerChoice, output: str) -> int:
    """Encrypt bodies that are stored in clear or under an old key, as the WebhookServer's spec.encryption says.

    It works in small steps while the server runs, and can be run again at any time.
    """
    port = server.open()
    job = port.ask("POST", _PATH, {})
    try:
        job = follow(port, _PATH, job, _progress)
    except KeyboardInterrupt:
        job = cancel(port, _PATH, job)
    if output != "table":
        print_data(job, output)
    else:
        say(f"{_progress(job)}; the replaced bodies are no longer in the journal's files")
    if job["unreadable"]:
        raise ProblemsFoundError(f"{job['unreadable']} updates were not changed: {'; '.join(job['reasons'])}")
    return INTERRUPTED if job["state"] == "cancelled" else 0


def _progress(job: dict[str, Any]) -> str:
    return f"{job['resealed']} of {job['looked']} updates were encrypted again"
