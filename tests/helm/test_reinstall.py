"""Installing again where the kinds are somebody else's, with the commands of docs/upgrade.md."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from kube.fixtures import ROOT
from kube.rig.control_plane import ControlPlane

STEPS = dict(
    re.findall(r"<!-- reinstall: ([a-z ]+) -->\n```sh\n(.*?)```", (ROOT / "docs/upgrade.md").read_text(), re.DOTALL)
)


def run(helm: Path, plane: ControlPlane, command: str) -> "subprocess.CompletedProcess[str]":
    """Run a helm command of the page."""
    environment = os.environ | {"KUBECONFIG": str(plane.kubeconfig), "PATH": f"{helm.parent}:{os.environ['PATH']}"}
    return subprocess.run(
        ["bash", "-ec", command], cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=180
    )


@pytest.mark.slow
def test_a_release_takes_over_the_kinds_or_leaves_them(own_api_server: ControlPlane, helm: Path) -> None:
    """The kinds of this API server were applied by kubectl."""
    own_api_server.kubectl("create", "namespace", "trackpush")
    plain = "helm install shipping helm/trackpush --namespace trackpush"
    refused = run(helm, own_api_server, plain)
    assert refused.returncode != 0
    assert "cannot be imported" in refused.stderr

    for step in ("leave", "take over"):
        done = run(helm, own_api_server, STEPS[step])
        assert done.returncode == 0, done.stderr
        gone = run(helm, own_api_server, "helm uninstall shipping --namespace trackpush")
        assert gone.returncode == 0, gone.stderr
        assert own_api_server.get("crd", "webhookservers.trackpush.dev")
    again = run(helm, own_api_server, plain)
    assert again.returncode == 0, f"the same name takes over what it kept: {again.stderr}"
