"""Errors that end a command: one clear line on stderr and an exit code, never a traceback.

0 is success, 1 means that the command ran and found problems, 2 that it could not start (usage, missing file,
address in use), 130 that it was interrupted.
"""

import io

import click

from trackpush_api.printable import printable

PROBLEMS = 1
CANNOT_START = 2
INTERRUPTED = 130


class _ExpectedError(click.ClickException):
    """Each argument is a line. Unprintable characters are escaped, because a server may have sent them."""

    def __init__(self, message: str, *more: str) -> None:
        super().__init__("\n".join(map(printable, (message, *more))))


class ProblemsFoundError(_ExpectedError):
    """The command found problems: exit code 1. The message says what to do."""

    exit_code = PROBLEMS


class CommandError(_ExpectedError):
    """The command could not do its work: exit code 2. The message says who, what was found and what to do."""

    exit_code = CANNOT_START


def show(error: click.ClickException) -> None:
    """Print the error on stderr. click's own messages have several lines and repeat the user's input."""
    shown = io.StringIO()
    error.show(shown)
    click.echo(printable(shown.getvalue(), keep="\n\t"), err=True, nl=False)  # noqa: TID251  without rich: a fast start
