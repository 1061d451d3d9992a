"""etcd, the API server and, where wanted, the controllers, on free loopback ports: a real Kubernetes without a node."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kube.rig import build
from kube.rig.identities import Identities
from kube.rig.processes import Processes, free_ports

SERVICES = "10.96.0.0/16"
SERVICE_ADDRESS = "10.96.0.1"
_USERS = {
    "admin": "system:masters",
    "system:kube-controller-manager": "",
    "system:kube-scheduler": "",
    "system:kube-proxy": "",
    "system:node:node": "system:nodes",
}


class ControlPlane:
    """One control plane. `start` it, `stop` it; in between the API server can be stopped and started on its data."""

    def __init__(self, folder: Path, *, controllers: bool = True, inside: Sequence[str] = ()) -> None:
        self.folder = folder
        self._controllers = controllers
        self._box = build.program("kubebox")
        self._inside = tuple(inside)
        folder.mkdir(parents=True, exist_ok=True)
        self.processes = Processes(folder, inside=inside)
        self.identities = Identities(folder / "pki")
        self.kubeconfig = folder / "kubeconfig"
        self._port, self._etcd, self._peer = free_ports(3)
        self.address = "127.0.0.1"
        """Where the API server listens."""
        self.flags: list[str] = ["--bind-address=127.0.0.1", "--endpoint-reconciler-type=none"]
        self.names: list[str] = []

    @property
    def url(self) -> str:
        """The API server's URL."""
        return f"https://{self.address}:{self._port}"

    def start(self) -> None:
        """Start all; ready when it returns.

        Raises:
            ClusterError: something does not start; its log is in the text.
        """
        self._start_etcd()
        self._make_keys()
        self.start_api_server()
        if self._controllers:
            self._start_controllers()
            self.processes.wait_for(self._has_account, name="kube-controller-manager")

    def stop(self) -> None:
        """End all, and remove what they wrote."""
        self.processes.stop_all()
        shutil.rmtree(self.folder, ignore_errors=True)

    def kubectl(
        self, *arguments: str, stdin: str | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl as admin. Raises CalledProcessError with its output when it fails and ``check`` is set."""
        command = [*self._inside, str(self._box), "kubectl", f"--kubeconfig={self.kubeconfig}", *arguments]
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

    def audit(self) -> None:
        """Have the API server write each request's metadata down; see `audited`; call it before `start`."""
        policy = self.folder / "audit.yaml"
        policy.write_text('{"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [{"level": "Metadata"}]}')
        self.flags += [f"--audit-policy-file={policy}", f"--audit-log-path={self.folder / 'audit.log'}"]

    def audited(self, user: str) -> list[dict[str, Any]]:
        """What a user's requests came to, until now."""
        lines = (self.folder / "audit.log").read_text().splitlines()
        events = [json.loads(line) for line in lines if user in line]
        return [event for event in events if event["user"]["username"] == user]

    def start_api_server(self) -> None:
        """Start the API server (again) on the same port and data."""
        keys = self.identities
        folder = keys.folder
        self.processes.start(
            "kube-apiserver", self._box, "kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{self._etcd}", f"--secure-port={self._port}",
            f"--service-cluster-ip-range={SERVICES}", "--allow-privileged", "--authorization-mode=Node,RBAC",
            f"--token-auth-file={folder}/tokens.csv", f"--client-ca-file={keys.ca}",
            f"--tls-cert-file={folder}/apiserver.crt", f"--tls-private-key-file={folder}/apiserver.key",
            f"--kubelet-client-certificate={folder}/kubelet.crt", f"--kubelet-client-key={folder}/kubelet.key",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--service-account-signing-key-file={keys.account_key}", f"--service-account-key-file={keys.account_key}",
            *([] if self._controllers else ["--disable-admission-plugins=ServiceAccount"]),
            *self.flags,
        )  # fmt: skip
        self.processes.wait_for(self.is_ready, name="kube-apiserver")

    def stop_api_server(self) -> None:
        """Kill the API server; etcd and its data stay."""
        self.processes.stop("kube-apiserver")

    def is_ready(self) -> bool:
        """Whether the API server says so."""
        return self.kubectl("get", "--raw=/readyz", check=False).returncode == 0

    def _start_etcd(self) -> None:
        client, peer = f"http://127.0.0.1:{self._etcd}", f"http://127.0.0.1:{self._peer}"
        self.processes.start(  # without fsync: a test cluster needn't survive a power cut
            "etcd", self._box, "etcd", f"--data-dir={self.folder / 'etcd'}", "--unsafe-no-fsync", "--log-level=warn",
            f"--listen-client-urls={client}", f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
        )  # fmt: skip

    def _make_keys(self) -> None:
        keys = self.identities
        service = [f"kubernetes{end}" for end in ("", ".default", ".default.svc", ".default.svc.cluster.local")]
        addresses = ["127.0.0.1", SERVICE_ADDRESS, *self.names]
        keys.certificate("apiserver", "kube-apiserver", names=["localhost", *service], addresses=addresses)
        keys.certificate("kubelet", "kube-apiserver-kubelet-client", group="system:masters")
        keys.tokens(_USERS)
        keys.kubeconfig(self.kubeconfig, self.url, "admin")

    def _start_controllers(self) -> None:
        keys = self.identities
        for name in ("kube-controller-manager", "kube-scheduler"):
            keys.kubeconfig(self.folder / f"{name}.conf", self.url, f"system:{name}")
        self.processes.start(  # the default client limits alone would cost 3 to 5 s at the start
            "kube-controller-manager", self._box, "kube-controller-manager",
            f"--kubeconfig={self.folder}/kube-controller-manager.conf", "--leader-elect=false", "--secure-port=0",
            "--use-service-account-credentials", "--kube-api-qps=300", "--kube-api-burst=600",
            f"--service-account-private-key-file={keys.account_key}", f"--root-ca-file={keys.ca}",
            f"--cluster-signing-cert-file={keys.ca}", f"--cluster-signing-key-file={keys.ca_key}",
        )  # fmt: skip
        self.processes.start(
            "kube-scheduler", self._box, "kube-scheduler", f"--kubeconfig={self.folder}/kube-scheduler.conf",
            "--leader-elect=false", "--secure-port=0",
        )  # fmt: skip

    def _has_account(self) -> bool:
        """Pods are refused before it exists."""
        return self.kubectl("get", "serviceaccount", "default", check=False).returncode == 0
