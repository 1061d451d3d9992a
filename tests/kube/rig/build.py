"""Builds the programs of a test cluster, once per version, into a cache folder.

`python build.py NAME…` prints the folder that holds them. The folder's name is a digest of everything that goes into
the programs, so a changed version builds anew and an unchanged one never does. A build that fails, fails the tests:
nothing is skipped for want of a cluster.
"""

import fcntl
import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

SOURCES = Path(__file__).parent / "go"
KUBERNETES = "k8s.io/kubernetes"
_VERSIONS = "k8s.io/component-base/version"
PROGRAMS = {
    "kubebox": (SOURCES, "./kubebox"),
    "helm": (SOURCES, "helm.sh/helm/v4/cmd/helm"),
    "coredns": (SOURCES, "./coredns"),
    "traefik": (SOURCES / "traefik", "github.com/traefik/traefik/v3/cmd/traefik"),
}
"""Name → its module's folder and package. Traefik can't share a go.mod with Helm 4 (OpenTelemetry's versions)."""


def cache() -> Path:
    """Where slow builds are kept: ``$TRACKPUSH_CACHE``, else the user's cache folder."""
    base = os.environ.get("TRACKPUSH_CACHE")
    if base:
        return Path(base)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "trackpush"


def folder(module: Path = SOURCES) -> Path:
    """The cache folder of one module's programs."""
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for file in sorted(module.rglob("*")):
        if file.is_file() and (module != SOURCES or SOURCES / "traefik" not in file.parents):
            digest.update(file.read_bytes())
    return cache() / f"kube-{digest.hexdigest()[:12]}"


def program(name: str) -> Path:
    """The path of a program, built if it isn't there yet.

    Raises:
        subprocess.CalledProcessError: it can't be built; the compiler's words are on stderr.
    """
    module, package = PROGRAMS[name]
    made = folder(module) / name
    if made.exists():
        return made
    made.parent.mkdir(parents=True, exist_ok=True)
    with (made.parent / ".lock").open("w") as lock:  # two test runs may start at once
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            _build(module, package, made)
    return made


def _build(module: Path, package: str, made: Path) -> None:
    begun = time.monotonic()
    print(f"building {made.name} (once; minutes from an empty Go cache) …", file=sys.stderr, flush=True)
    part = made.with_suffix(".part")
    environment = {"GOGC": "400"} | os.environ | {"CGO_ENABLED": "0"}
    flags = ["-trimpath", "-buildvcs=false", "-ldflags", f"-s -w {_stamps(module)}"]
    subprocess.run(["go", "build", *flags, "-o", str(part), package], cwd=module, env=environment, check=True)
    part.rename(made)
    print(f"built {made.name} in {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)


def _stamps(module: Path) -> str:
    """Versions that the API server and kubectl tell of themselves; clients look at them."""
    if module != SOURCES:
        return ""
    listed = subprocess.run(
        ["go", "list", "-m", "-f", "{{.Version}}", KUBERNETES], cwd=module, check=True, capture_output=True, text=True
    )
    version = listed.stdout.strip()
    major, minor, _ = version.removeprefix("v").split(".", 2)
    values = {"gitVersion": version, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    return " ".join(f"-X {_VERSIONS}.{name}={value}" for name, value in values.items())


if __name__ == "__main__":
    for wanted in sys.argv[1:]:
        print(program(wanted))
