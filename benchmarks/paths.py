"""Where things are. Imported first by the scripts, which share tests/support (resources, bodies) with the tests."""

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
CACHE = ROOT / ".cache" / "bench"

if str(ROOT / "tests") not in sys.path:
    sys.path.insert(0, str(ROOT / "tests"))

_PACKAGES = ("webhook_server", "crds", "common", "cli")


def environment(version: Path | None) -> dict[str, str]:
    """Environment of a process that runs another version, of which this folder has the sources."""
    return {} if version is None else {"PYTHONPATH": os.pathsep.join(str(version / name) for name in _PACKAGES)}


def knows_wait(version: Path | None) -> bool:
    """Whether `trackpush serve` of that version has the option ``--wait``."""
    return version is None or '"--wait"' in (version / "cli/trackpush_cli/serve.py").read_text()
