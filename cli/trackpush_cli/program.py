"""The program's name: `trackpush`, or `kubectl trackpush` if kubectl calls it as a plugin."""

import sys
from pathlib import Path
from typing import Final

PLUGIN: Final = "kubectl-trackpush"


def is_plugin() -> bool:
    """Whether kubectl calls the program."""
    return Path(sys.argv[0]).name == PLUGIN


def program_name() -> str:
    return "kubectl trackpush" if is_plugin() else "trackpush"
