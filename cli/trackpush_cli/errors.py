"""What ends a command early: one clear line on stderr and an exit code, never a traceback.

0 is success, 1 means that the command ran and found problems, 2 that it could not start (usage, missing file,
address in use), 130 that it was interrupted.
"""

import click

PROBLEMS = 1
CANNOT_START = 2
INTERRUPTED = 130


class ProblemsFoundError(click.ClickException):
    """The command did its work, and the result is bad: exit code 1. The message says what and what to do."""

    exit_code = PROBLEMS


class CannotStartError(click.ClickException):
    """The command could not do its work: exit code 2. The message says who, what was found and what to do."""

    exit_code = CANNOT_START
