"""Programs of Debian packages, unpacked into the cache and never installed: nothing starts a service by itself."""

import fcntl
import subprocess
import sys
from pathlib import Path

from kube.rig import build


def program(package: str, path: str) -> Path:
    """A file of a package, fetched if it isn't there yet. The package's dependencies are not.

    Raises:
        subprocess.CalledProcessError: the package can't be had; apt's words are on stderr.
    """
    folder = build.cache() / f"debian-{package}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:  # two test runs may start at once
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "root" / path).exists():
            _fetch(package, folder)
    return folder / "root" / path


def _fetch(package: str, folder: Path) -> None:
    subprocess.run(["apt-get", "update", "-q"], check=True, stdout=sys.stderr)
    command = ["apt-get", "download", "-q", "-o", "APT::Sandbox::User=root", package]
    subprocess.run(command, check=True, stdout=sys.stderr, cwd=folder)
    (archive,) = folder.glob("*.deb")
    subprocess.run(["dpkg-deb", "-x", str(archive), str(folder / "root")], check=True)
    archive.unlink()
