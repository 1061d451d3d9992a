"""Fixtures: a real API server with our kinds for the whole run, and a namespace for each test."""

import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kube.given import GivenCluster
from kube.rig.control_plane import ControlPlane

ROOT = Path(__file__).parents[2]
ApiServer = ControlPlane | GivenCluster
GoProgram = Callable[[str], Path]


@pytest.fixture(scope="session")
def api_server(go_program: GoProgram, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:  # noqa: ARG001  marks the test
    """An API server with controllers, and with the CustomResourceDefinitions of crds/."""
    given = os.environ.get("TRACKPUSH_TEST_KUBECONFIG")
    if given:
        cluster = GivenCluster(Path(given))
        install_kinds(cluster)
        yield cluster
        return
    plane = ControlPlane(tmp_path_factory.mktemp("cluster") / "state")
    try:
        plane.start()
        install_kinds(plane)
        yield plane
    finally:
        plane.stop()


@pytest.fixture
def own_api_server(go_program: GoProgram, tmp_path: Path) -> Iterator[ControlPlane]:  # noqa: ARG001  marks the test
    """An API server for one test, which may stop it and start it again."""
    plane = ControlPlane(tmp_path / "state")
    try:
        plane.start()
        install_kinds(plane)
        yield plane
    finally:
        plane.stop()


@pytest.fixture
def namespace(api_server: ApiServer) -> Iterator[str]:
    """A fresh namespace; removed afterwards, without waiting for it."""
    name = f"test-{secrets.token_hex(4)}"
    api_server.kubectl("create", "namespace", name)
    yield name
    api_server.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="session")
def helm(go_program: GoProgram) -> Path:
    """The helm program."""
    return go_program("helm")


def install_kinds(cluster: ApiServer) -> None:
    """Apply crds/ and wait until they are served."""
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(ROOT / "crds"))
    cluster.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
