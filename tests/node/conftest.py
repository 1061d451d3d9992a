"""A node with the chart installed by the README's own commands."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kube.fixtures import ROOT, GoProgram
from kube.rig import build
from kube.rig.node import Node

_BUILD = re.compile(r"<!-- before a cluster -->\n```sh\n(.*?)```", re.DOTALL)
_COMMANDS = re.compile(r"<!-- on a cluster -->\n```sh\n(.*?)```", re.DOTALL)


@pytest.fixture(scope="session")
def node(root: None, go_program: GoProgram, downloads: None) -> Iterator[Node]:  # noqa: ARG001  marks the test
    """The node, with the image that the README's command builds of this tree."""
    image = ROOT / "dist/trackpush-image.tar"
    (build_image,) = _BUILD.findall((ROOT / "README.md").read_text())
    command, load = build_image.splitlines()
    assert load.endswith("images import dist/trackpush-image.tar"), "the node imports the image as this line does"
    subprocess.run(["bash", "-c", command], check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
    made = Node(Path("/var/tmp/trackpush-node"))
    made.stop()  # what a run that was killed left
    made = Node(Path("/var/tmp/trackpush-node"))
    try:
        made.start()
        made.load(image)
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with kubectl, its plugin and helm, as a person has them."""
    folder = tmp_path_factory.mktemp("bin")
    (folder / "kubectl").write_text(f'#!/bin/sh\nexec {build.program("kubebox")} kubectl "$@"\n')
    (folder / "kubectl").chmod(0o755)
    (folder / "helm").symlink_to(build.program("helm"))
    for name in ("kubectl-trackpush", "kubectl_complete-trackpush"):
        (folder / name).symlink_to(Path(sys.executable).parent / name)
    return folder


@pytest.fixture(scope="session")
def shell(node: Node, tools: Path) -> "Shell":
    """Runs commands as a person on the cluster's network does."""
    return Shell(node, tools)


class Shell:
    """A shell in the tree's root, with kubectl and helm."""

    def __init__(self, node: Node, tools: Path) -> None:
        self._node = node
        self._path = f"{tools}{os.pathsep}{os.environ['PATH']}"

    def run(self, script: str, *, check: bool = True) -> str:
        """Run a script; its output."""
        command = ["env", f"PATH={self._path}", "bash", "-c", f"cd {ROOT}\nset -eu -o pipefail\n{script}"]
        return self._node.run(*command, check=check).stdout


@pytest.fixture(scope="session")
def installed(shell: Shell) -> str:
    """What the README's commands print."""
    script = "\n".join(_COMMANDS.findall((ROOT / "README.md").read_text()))
    assert "helm install" in script
    return shell.run(script)
