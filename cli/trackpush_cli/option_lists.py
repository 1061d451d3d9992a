"""Adds a list of options to a command: for commands that share their options."""

from collections.abc import Callable, Sequence
from typing import Any


def with_options(command: Callable[..., Any], options: Sequence[Callable[..., Any]]) -> Callable[..., Any]:
    """Decorate the command so that its help shows the options in this order."""
    for option in reversed(options):
        command = option(command)
    return command
