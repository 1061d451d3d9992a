"""kube-score, built once for each version into the cache. Not in `build.py`, a change of which builds everything."""

import fcntl
import os
import subprocess
from pathlib import Path
from typing import Final

from kube.rig.build import cache

VERSION: Final = "v1.20.0"
_PACKAGE: Final = "github.com/zegl/kube-score/cmd/kube-score"


def kube_score() -> Path:
    """The program, built if it isn't there yet.

    Raises:
        subprocess.CalledProcessError: it can't be built; the compiler's words are on stderr.
    """
    folder = cache() / f"kube-score-{VERSION}"
    made = folder / "kube-score"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:  # two test runs may start at once
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            environment = os.environ | {"GOBIN": str(folder), "CGO_ENABLED": "0"}
            subprocess.run(["go", "install", f"{_PACKAGE}@{VERSION}"], cwd=folder, env=environment, check=True)
    return made
