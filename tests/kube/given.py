"""A cluster that somebody else runs, named by ``$TRACKPUSH_TEST_KUBECONFIG``, with kubectl from the path."""

import json
import subprocess
from pathlib import Path
from typing import Any


class GivenCluster:
    """Has what the tests use of `kube.rig.control_plane.ControlPlane`, but can't be stopped."""

    def __init__(self, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig

    def kubectl(
        self, *arguments: str, stdin: str | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl."""
        command = ["kubectl", f"--kubeconfig={self.kubeconfig}", *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=120)
        if check and done.returncode:
            raise AssertionError(f"kubectl {' '.join(arguments)}: {done.stderr}{done.stdout}")
        return done

    def get(self, *arguments: str) -> Any:
        """``kubectl get … -o json``, decoded."""
        return json.loads(self.kubectl("get", *arguments, "-o", "json").stdout)

    def apply(self, manifests: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Apply on the server's side, unknown fields refused."""
        flags = ("--server-side", "--force-conflicts", "--validate=strict")
        return self.kubectl("apply", *flags, "-f", "-", *arguments, stdin=manifests, check=check)
