"""Builds the project's image without a container engine: this machine's CPython, the pinned packages, the wheel.

`python images/build.py OUT.tar [NAME:TAG]`. Without a name it is the image that the chart pulls.
The result is loaded with `ctr -n k8s.io images import`, `podman load` or `skopeo copy`.
It holds no shell and no package manager.
Only for the machine's own architecture and C library.
"""

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import oci
import yaml

ROOT = Path(__file__).parent.parent
USER = 65532
_PYTHON = f"python{sysconfig.get_python_version()}"
_LEFT_OUT = shutil.ignore_patterns(
    "__pycache__", "site-packages", "test", "tests", "idlelib", "*tkinter*", "ensurepip", "turtledemo", "config-*",
    "_test*.so", "xxlimited*.so", "lib2to3",
)  # fmt: skip
_NAMED = re.compile(r"(/\S+) \(0x")
_FILES = {
    "etc/passwd": f"root:x:0:0:root:/:/sbin/nologin\ntrackpush:x:{USER}:{USER}:trackpush:/:/sbin/nologin\n",
    "etc/group": f"root:x:0:\ntrackpush:x:{USER}:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}
_FOLDERS = ("tmp", "proc", "sys", "dev", "run", "var/lib/trackpush")
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


def chart_image() -> str:
    """The image that the chart pulls with its default values: `helm install` finds what `make image` built."""
    chart = ROOT / "helm/trackpush"
    values = yaml.safe_load((chart / "values.yaml").read_text())["image"]
    version = yaml.safe_load((chart / "Chart.yaml").read_text())["appVersion"]
    return f"{values['repository']}:{values['tag'] or version}"


def tree(root: Path) -> None:
    """Everything that is in the image, under ``root``."""
    base = Path(sys.base_prefix)
    local = root / "usr/local"
    (local / "bin").mkdir(parents=True)
    shutil.copy(base / "bin" / _PYTHON, local / "bin")
    for name in ("python3", "python"):
        (local / "bin" / name).symlink_to(_PYTHON)
    shutil.copytree(base / "lib" / _PYTHON, local / "lib" / _PYTHON, symlinks=True, ignore=_LEFT_OUT)
    _install(_packages(local / "bin" / _PYTHON))
    _copy_libraries(root)
    for name in _FOLDERS:
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "tmp").chmod(0o1777)
    for name, content in _FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    authorities = root / _CERTIFICATES.relative_to("/")
    authorities.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(_CERTIFICATES, authorities)
    (root / "etc/ssl/cert.pem").symlink_to(f"certs/{_CERTIFICATES.name}")


def _packages(python: Path) -> Path:
    """Where this interpreter looks for packages: site-packages, or with a Debian's own Python dist-packages."""
    asked = "import site; print(site.getsitepackages()[-1])"
    told = subprocess.run([python, "-I", "-c", asked], check=True, capture_output=True, text=True).stdout
    folder = Path(told.strip())
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _install(site: Path) -> None:
    """The wheel and what it needs, pinned; bytecode is compiled here, as the image's file system is read-only."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", "--disable-pip-version-check"]
    options = ["--root-user-action=ignore", "--constraint", str(ROOT / "constraints.txt"), "--target", str(site)]
    subprocess.run([*pip, *options, str(ROOT)], check=True)
    shutil.rmtree(site / "bin", ignore_errors=True)
    compiled = [sys.executable, "-m", "compileall", "-q", "--invalidation-mode=unchecked-hash", str(site)]
    subprocess.run(compiled, check=True)


def _copy_libraries(root: Path) -> None:
    """Each shared library that the tree's programs and extensions name, at its own path."""
    programs = [
        str(path)
        for path in root.rglob("*")
        if path.is_file() and not path.is_symlink() and (".so" in path.suffixes or os.access(path, os.X_OK))
    ]
    listed = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=False).stdout
    for library in sorted(set(_NAMED.findall(listed))):
        if not library.startswith(str(root)):
            target = root / library.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library, target)
            subprocess.run(["strip", "--strip-unneeded", str(target)], check=False)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("name", nargs="?", default=chart_image(), help="with a tag; default: %(default)s")
    arguments = parser.parse_args()
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    config = {
        "User": f"{USER}:{USER}",
        "Entrypoint": ["/usr/local/bin/python3", "-m", "trackpush_cli"],
        "Env": [
            "PATH=/usr/local/bin",
            "PYTHONUNBUFFERED=1",
            "PYTHONDONTWRITEBYTECODE=1",
            "SSL_CERT_FILE=/etc/ssl/cert.pem",
        ],
        "WorkingDir": "/",
    }
    with tempfile.TemporaryDirectory() as folder:
        tree(Path(folder))
        digest = oci.write(arguments.out, arguments.name, Path(folder), config, machine=platform.machine())
    size = arguments.out.stat().st_size // 2**20
    print(f"{arguments.out}: {arguments.name}, {size} MiB, {digest}")


if __name__ == "__main__":
    main()
