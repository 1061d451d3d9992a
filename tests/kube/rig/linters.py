"""Linters for manifests, installed once for each version into the cache.

Not in `build.py`, a change of which builds everything; and checkov's many packages not in the project's environment.
"""

import fcntl
import hashlib
import os
import subprocess
import sys
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


def checkov() -> Path:
    """The program of checkov, installed if it isn't there yet.

    Raises:
        subprocess.CalledProcessError: it can't be installed; pip's words are on stderr.
    """
    pins = Path(__file__).parent / "checkov.txt"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    folder = cache() / f"checkov-{version}-{hashlib.sha256(pins.read_bytes()).hexdigest()[:12]}"
    made, done = folder / "venv/bin/checkov", folder / "done"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder / "venv")], check=True)
            pip = [str(folder / "venv/bin/python"), "-m", "pip", "install", "--quiet", "--no-deps", "-r", str(pins)]
            subprocess.run(pip, check=True)
            done.touch()
    return made
