"""The names of the one program: `trackpush`, or `kubectl trackpush` when kubectl calls it as its plugin."""

import sys
from pathlib import Path
from typing import Final

PLUGIN: Final = "kubectl-trackpush"


def is_plugin() -> bool:
    """Whether kubectl calls."""
    return Path(sys.argv[0]).name == PLUGIN


def program_name() -> str:
    return "kubectl trackpush" if is_plugin() else "trackpush"
