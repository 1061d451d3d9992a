"""One version everywhere: `make image` builds the image that the chart pulls, and so do all manifests name it."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
PLACES = ("manifests", "tests/node", "README.md", "images/Dockerfile")


def image_of_the_build() -> str:
    """The name that images/build.py gives without an argument, as `make image` calls it."""
    told = subprocess.run([sys.executable, ROOT / "images/build.py", "--help"], check=True, capture_output=True)
    (name,) = re.findall(r"default:\s+(\S+)", told.stdout.decode())
    return str(name)


def test_make_image_builds_the_image_that_the_chart_pulls(helm: Path) -> None:
    command = [str(helm), "template", "trackpush", str(ROOT / "helm/trackpush")]
    rendered = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    pulled = {
        container["image"]
        for document in yaml.safe_load_all(rendered)
        if document and document["kind"] in {"Deployment", "Pod"}
        for container in (
            document["spec"]["template"]["spec"] if document["kind"] == "Deployment" else document["spec"]
        )["containers"]
    }
    planned = subprocess.run(["make", "-n", "image"], cwd=ROOT, check=True, capture_output=True, text=True).stdout

    assert pulled == {image_of_the_build()}
    assert re.search(r"images/build\.py dist/trackpush-image\.tar *$", planned, re.MULTILINE), "make names no other"


def test_the_chart_and_the_package_have_one_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    chart = yaml.safe_load((ROOT / "helm/trackpush/Chart.yaml").read_text())
    assert chart["version"] == chart["appVersion"] == version


def test_manifests_and_pages_name_the_image_that_is_built() -> None:
    files = [file for place in PLACES for file in [ROOT / place, *(ROOT / place).rglob("*")] if file.is_file()]
    texts = [file.read_text() for file in files if file.suffix in {"", ".md", ".yaml", ".py"}]
    named = {name for text in texts for name in re.findall(r"docker\.io/library/trackpush:[\w.]+", text)}
    assert named == {image_of_the_build()}
