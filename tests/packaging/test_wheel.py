"""What is installed is what is in the tree: wheel and image lack nothing that the program reads at run time."""

import os
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from support.manifests import Client, write
from support.server import running

ROOT = Path(__file__).parents[2]
HATCH: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]
pytestmark = pytest.mark.timeout(600)  # pip may download all that the wheel names
CLIENT = Client(name="acme", url="http://127.0.0.1:1009/hooks")


def run(*command: str | Path) -> str:
    """Run it away from the tree, whose folders would be on Python's path."""
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd="/", env=clean, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT)
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a virtual environment that holds the wheel and what it names, and nothing else."""
    folder = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", folder)
    run(folder / "bin/python", "-m", "pip", "install", "--quiet", "--no-compile", "-c", ROOT / "constraints.txt", wheel)
    return folder / "bin"


def in_tree() -> set[str]:
    """Every file of the packages, as it is named once installed."""
    places = {ROOT / package: Path(package).name for package in HATCH["wheel"]["packages"]}
    places |= {ROOT / source: target for source, target in HATCH["wheel"]["force-include"].items()}
    return {
        f"{target}/{file.relative_to(folder).as_posix()}"
        for folder, target in places.items()
        for file in folder.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }


def of_ours(names: Sequence[str]) -> set[str]:
    packages = tuple(f"{Path(package).name}/" for package in HATCH["wheel"]["packages"])
    return {name for name in names if name.startswith(packages) and "__pycache__" not in name and name[-1] != "/"}


@pytest.mark.slow
def test_the_wheel_holds_every_file_of_the_packages_and_no_other(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert of_ours(names) == in_tree()
    assert {name.partition("/")[0] for name in names if not of_ours([name])} == {f"{wheel.stem[:15]}.dist-info"}


@pytest.mark.long
def test_the_image_holds_every_file_of_the_packages_and_no_other(tmp_path: Path) -> None:
    image = tmp_path / "image.tar"
    run(sys.executable, ROOT / "images/build.py", image, "docker.io/library/trackpush:test")
    root = tmp_path / "root"
    root.mkdir()
    with tarfile.open(image) as archive:
        for blob in archive:
            content = archive.extractfile(blob)
            if content is not None and content.read(1) != b"{":  # the others are JSON
                content.seek(0)
                subprocess.run(["tar", "-x", "-C", root], input=content.read(), check=True)
    python = root / "usr/local/bin/python3"
    site = Path(run(python, "-I", "-c", "import trackpush_cli; print(trackpush_cli.__path__[0])").strip()).parent
    assert site.is_relative_to(root)
    assert of_ours([str(path.relative_to(site)) for path in site.rglob("*") if path.is_file()]) == in_tree()


@pytest.mark.long
async def test_from_the_wheel_alone_the_server_serves_its_console(environment: Path, tmp_path: Path) -> None:
    resources = write(tmp_path / "resources", [CLIENT])
    async with (
        running(resources, tmp_path / "data", program=[str(environment / "trackpush")]) as server,
        aiohttp.ClientSession(server.admin_url) as session,
    ):
        for path in ("/console/", "/console/static/app.css", "/console/static/vendor/htmx-2.0.11.min.js"):
            async with session.get(path) as answer:
                assert answer.status == 200, path
        async with session.get("/api/v1/openapi.json") as answer:
            assert answer.content_type == "application/json"


@pytest.mark.long
def test_from_the_wheel_alone_the_demo_runs_and_what_is_generated_is_the_same(
    environment: Path, tmp_path: Path
) -> None:
    trackpush = environment / "trackpush"
    run(trackpush, "demo", "--once")
    run(trackpush, "crds", "--check", ROOT / "crds")
    run(trackpush, "schema", "--check", ROOT / "docs/schemas")
    told = run(trackpush, "check", write(tmp_path / "resources", [CLIENT]))
    assert "acme" in told
