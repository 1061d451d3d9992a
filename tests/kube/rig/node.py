"""A whole cluster of one node that runs pods, in a network namespace of its own with no way out. Needs root.

Facts about such a machine that cost time to find: its root may lack CAP_SYS_RESOURCE (so containers must not ask for a
lower OOM score), its cgroups may be version 1, a ClusterIP needs some route before kube-proxy can rewrite it, and the
API server must not advertise a loopback address.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from kube.rig import build
from kube.rig.control_plane import SERVICES, ControlPlane
from kube.rig.processes import free_ports

sys.path.insert(0, str(Path(__file__).parents[3] / "images"))
import oci

_HERE = Path(__file__).parent / "images"
NETWORK = "trackpush-node"
ADDRESS = "10.250.0.1"
_PODS = "10.244.0.0/24"
_DNS = "10.96.0.10"
_PACKAGES = {
    "containerd": "containerd",
    "runc": "runc",
    "iptables": "iptables",
    "nft": "nftables",
    "conntrack": "conntrack",
    "ip": "iproute2",
    "jq": "jq",
}
_VOLUMES = 4


def install_packages() -> None:
    """Debian's container runtime and network tools, if they aren't there."""
    missing = [package for program, package in _PACKAGES.items() if shutil.which(program) is None]
    if not Path("/usr/lib/cni/bridge").exists():
        missing.append("containernetworking-plugins")
    if missing:
        subprocess.run(["apt-get", "update", "-q"], check=True, stdout=sys.stderr)
        command = ["apt-get", "install", "-qy", "--no-install-recommends", *missing]
        subprocess.run(command, check=True, stdout=sys.stderr)


class Node:
    """One node and its control plane."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._box = build.program("kubebox")
        inside = ["nsenter", f"--net=/run/netns/{NETWORK}"]
        self.inside = inside
        self.plane = ControlPlane(folder / "plane", inside=inside)
        self.plane.address = ADDRESS
        self.plane.names = [ADDRESS]
        self.plane.flags = [f"--advertise-address={ADDRESS}", "--kubelet-preferred-address-types=InternalIP"]
        self.kubectl = self.plane.kubectl
        self.processes = self.plane.processes
        self._socket = folder / "containerd.sock"

    def start(self) -> None:
        """Start everything, until the cluster's DNS answers."""
        install_packages()
        self._start_network()
        self._start_containerd()
        for name, package in (("pause", None), ("coredns", "coredns"), ("traefik", "traefik")):
            self.load(self._system_image(name, package))
        self.plane.start()
        self._start_kubelet(self.plane.url)
        self._start_proxy()
        for file in ("coredns.yaml", "storage.yaml", "traefik.yaml"):
            self.plane.apply((_HERE / file).read_text())
        self._make_volumes()
        self.kubectl("wait", "--for=condition=Ready", "node/node", "--timeout=60s")
        for name in ("coredns", "traefik"):
            self.kubectl("-n", "kube-system", "rollout", "status", f"deployment/{name}", "--timeout=90s")

    def stop(self) -> None:
        """End everything that was started, and remove what it left in the kernel and on the disk."""
        for name in ("kubelet", "kube-proxy"):
            self.processes.stop(name)
        if self._socket.exists():
            self._kill_pods()
        self.processes.stop_all()
        self._unmount()
        subprocess.run(["ip", "netns", "delete", NETWORK], check=False, capture_output=True)
        groups = ["find", *map(str, Path("/sys/fs/cgroup").glob("*/kubepods")), "-depth", "-type", "d"]
        if len(groups) > 4:
            subprocess.run([*groups, "-exec", "rmdir", "{}", "+"], check=False, capture_output=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def load(self, image: Path) -> None:
        """Import an image into the node's runtime."""
        self._ctr("images", "import", str(image))

    def tag(self, image: str, name: str) -> None:
        """Give an image of the node's runtime another name."""
        self._ctr("images", "tag", "--force", image, name)

    def volume_files(self, claim: str, namespace: str = "trackpush") -> list[str]:
        """Names of the files of a claim's volume."""
        volume = self.plane.get("pvc", claim, "-n", namespace)["spec"]["volumeName"]
        return [file.name for file in (self.folder / "volumes" / volume.removeprefix("volume-")).iterdir()]

    def kill_pod(self, namespace: str, name: str) -> None:
        """SIGKILL all processes of a pod's containers, without a word to the kubelet: it starts them again."""
        for status in self.plane.get("pod", name, "-n", namespace)["status"]["containerStatuses"]:
            self._ctr("tasks", "kill", "--all", "-s", "KILL", status["containerID"].rpartition("/")[2])

    @contextlib.contextmanager
    def through_proxy(self) -> Iterator[None]:
        """Have the kubelet reach the API server through a proxy that `hold_secrets` controls."""
        (port,) = free_ports(1, address=ADDRESS, inside=self.inside)
        keys, host = self.plane.identities, self.plane.url.removeprefix("https://")
        certificate, key = keys.certificate("kubelet-proxy", "kubelet-proxy", addresses=[ADDRESS])
        script = Path(__file__).parent / "held_watches.py"
        self.processes.start(
            "kubelet-proxy", sys.executable, script, ADDRESS, str(port), *host.split(":"), keys.ca, certificate, key
        )
        listening = ["bash", "-c", f"</dev/tcp/{ADDRESS}/{port}"]
        self.processes.wait_for(lambda: not self.run(*listening, check=False).returncode, name="kubelet-proxy")
        self._restart_kubelet(f"https://{ADDRESS}:{port}")
        try:
            yield
        finally:
            self._restart_kubelet(self.plane.url)
            self.processes.stop("kubelet-proxy")

    def hold_secrets(self, *, held: bool) -> None:
        """Keep changes of Secrets from the kubelet, or let them through."""
        os.kill(self.processes.pid("kubelet-proxy"), signal.SIGUSR1 if held else signal.SIGUSR2)

    def run(self, *command: str, stdin: str | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command in the node's network, with ``KUBECONFIG`` set."""
        environment = os.environ | {"KUBECONFIG": str(self.plane.kubeconfig)}
        done = subprocess.run(
            [*self.inside, *command],
            input=stdin,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        if check and done.returncode:
            raise AssertionError(f"{' '.join(command)}: {done.stderr}{done.stdout}")
        return done

    def _ctr(self, *arguments: str, check: bool = True) -> str:
        command = ["ctr", "-a", str(self._socket), "-n", "k8s.io", *arguments]
        return subprocess.run(command, check=check, capture_output=True, text=True).stdout

    def _start_network(self) -> None:
        subprocess.run(["ip", "netns", "delete", NETWORK], check=False, capture_output=True)
        _run("ip", "netns", "add", NETWORK)
        _run("ip", "-n", NETWORK, "link", "set", "lo", "up")
        _run("ip", "-n", NETWORK, "address", "add", f"{ADDRESS}/32", "dev", "lo")
        _run("ip", "-n", NETWORK, "route", "add", SERVICES, "dev", "lo", "src", ADDRESS)
        _run(*self.inside, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.bridge.bridge-nf-call-iptables=1")

    def _start_containerd(self) -> None:
        network = (_HERE / "network.json").read_text()
        (self.folder / "cni").mkdir(parents=True)
        filled = network.replace("PODS", _PODS).replace("FOLDER", str(self.folder))
        (self.folder / "cni/10-pods.conflist").write_text(filled)
        settings = (_HERE / "containerd.toml").read_text().replace("FOLDER", str(self.folder))
        (self.folder / "containerd.toml").write_text(settings)
        self.processes.start("containerd", "containerd", "--config", self.folder / "containerd.toml")
        self.processes.wait_for(self._has_containerd, name="containerd", seconds=30)

    def _has_containerd(self) -> bool:
        command = ["ctr", "-a", str(self._socket), "version"]
        return subprocess.run(command, check=False, capture_output=True).returncode == 0

    def _system_image(self, name: str, program: str | None) -> Path:
        out = build.folder() / f"{name}-image.tar"
        if out.exists():
            return out
        root = self.folder / f"root-{name}"
        (root / "tmp").mkdir(parents=True)
        if program is None:
            _run("gcc", "-Os", "-static", "-s", "-o", str(root / name), str(_HERE / f"{name}.c"))
        else:
            shutil.copy(build.program(program), root / name)
        part = out.with_suffix(".part")
        oci.write(part, f"docker.io/trackpush-test/{name}:1", root, {"Entrypoint": [f"/{name}"]})
        part.rename(out)
        return out

    def _restart_kubelet(self, url: str) -> None:
        """Start it again with another address of the API server; pods go on."""
        self.processes.stop("kubelet")
        self._start_kubelet(url)

    def _start_kubelet(self, url: str) -> None:
        keys = self.plane.identities
        keys.kubeconfig(self.folder / "kubelet.conf", url, "system:node:node")
        (self.folder / "resolv.conf").write_text("")
        settings = (_HERE / "kubelet.yaml").read_text()
        for name, value in (("FOLDER", str(self.folder)), ("CLIENT_CA", str(keys.ca)), ("CLUSTER_DNS", _DNS)):
            settings = settings.replace(name, value)
        (self.folder / "kubelet.yaml").write_text(settings)
        self.processes.start(
            "kubelet", self._box, "kubelet", f"--config={self.folder}/kubelet.yaml",
            f"--kubeconfig={self.folder}/kubelet.conf", f"--root-dir={self.folder}/kubelet",
            f"--cert-dir={self.folder}/kubelet/pki", "--hostname-override=node", f"--node-ip={ADDRESS}",
        )  # fmt: skip

    def _start_proxy(self) -> None:
        self.plane.identities.kubeconfig(self.folder / "proxy.conf", self.plane.url, "system:kube-proxy")
        self.processes.start(
            "kube-proxy", self._box, "kube-proxy", f"--kubeconfig={self.folder}/proxy.conf", "--proxy-mode=iptables",
            "--hostname-override=node", f"--cluster-cidr={_PODS}", "--conntrack-max-per-core=0",
        )  # fmt: skip

    def _make_volumes(self) -> None:
        """Some volumes that claims can bind to; writable for the image's user."""
        for number in range(_VOLUMES):
            place = self.folder / "volumes" / str(number)
            place.mkdir(parents=True)
            place.chmod(0o777)
            manifest = (_HERE / "volume.yaml").read_text().replace("NUMBER", str(number)).replace("PLACE", str(place))
            self.plane.apply(manifest)

    def _kill_pods(self) -> None:
        for task in self._ctr("tasks", "ls", "-q", check=False).split():
            self._ctr("tasks", "kill", "-s", "KILL", task, check=False)
        for container in self._ctr("containers", "ls", "-q", check=False).split():
            self._ctr("tasks", "delete", "-f", container, check=False)
            self._ctr("containers", "delete", container, check=False)

    def _unmount(self) -> None:
        mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        ours = sorted((mount for mount in mounts if mount.startswith(f"{self.folder}/")), reverse=True)
        for path in ours:
            subprocess.run(["umount", "-l", path], check=False, capture_output=True)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
