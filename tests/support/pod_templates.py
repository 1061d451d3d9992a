"""podTemplates that are accepted or refused: one table for the operator's own check and for the admission policy."""

from typing import Any

Template = dict[str, Any]
RESTRICTED: Template = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def _spec(**spec: Any) -> Template:
    return {"spec": spec}


def _server(**fields: Any) -> Template:
    return _spec(containers=[{"name": "server", **fields}])


def _sidecar(**fields: Any) -> Template:
    return _spec(containers=[{"name": "proxy", "image": "proxy:1", "securityContext": RESTRICTED, **fields}])


def _context(**fields: Any) -> Template:
    return _sidecar(securityContext={**RESTRICTED, **fields})


def _volume(**fields: Any) -> Template:
    return _spec(volumes=[{"name": "more", **fields}])


ACCEPTED: dict[str, Template] = {
    "nothing": {},
    "labels and annotations": {"labels": {"team": "rms"}, "annotations": {"note": "x" * 3000}},
    "an AppArmor profile": {"annotations": {"container.apparmor.security.beta.kubernetes.io/server": "localhost/k"}},
    "resources": _server(resources={"limits": {"memory": "1Gi"}}),
    "env": _server(env=[{"name": "TZ", "value": "UTC"}], envFrom=[{"configMapRef": {"name": "more"}}]),
    "mounts": _server(volumeMounts=[{"name": "ca", "mountPath": "/etc/ca", "readOnly": True}]),
    "scheduling": _spec(
        nodeSelector={"disk": "ssd"},
        tolerations=[{"key": "dedicated", "operator": "Exists"}],
        affinity={"nodeAffinity": {}},
        topologySpreadConstraints=None,
        priorityClassName="high",
    ),
    "a restricted sidecar": _sidecar(
        args=["--port=1"],
        ports=[{"containerPort": 9000}],
        readinessProbe={"httpGet": {"port": 9000, "path": "/"}},
        lifecycle={"preStop": {"sleep": {"seconds": 1}}},
    ),
    "a sidecar that binds a low port": _context(capabilities={"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}),
    "a restricted init container": _spec(
        initContainers=[{"name": "wait", "image": "w:1", "restartPolicy": "Always", "securityContext": RESTRICTED}]
    ),
    "a sidecar's seccomp profile": _context(seccompProfile={"type": "RuntimeDefault"}, runAsUser=1000),
    "safe volumes": _spec(
        volumes=[
            {"name": "a", "emptyDir": {"medium": "Memory"}},
            {"name": "b", "configMap": {"name": "b"}},
            {"name": "c", "secret": {"secretName": "c"}},
            {"name": "d", "projected": {"sources": [{"secret": {"name": "d"}}, {"configMap": {"name": "d"}}]}},
            {"name": "e", "downwardAPI": {"items": []}},
            {"name": "f", "persistentVolumeClaim": {"claimName": "f"}},
        ]
    ),
}

_APPARMOR = {"annotations": {"container.apparmor.security.beta.kubernetes.io/server": "unconfined"}}
REFUSED: dict[str, tuple[Template, str]] = {
    **{name: (_spec(**{name: value}), name) for name, value in {
        "hostNetwork": True, "hostPID": True, "hostIPC": True, "hostUsers": False, "hostAliases": [],
        "serviceAccountName": "admin", "serviceAccount": "admin", "automountServiceAccountToken": True,
        "securityContext": {"runAsUser": 0}, "nodeName": "node-1", "runtimeClassName": "none",
        "schedulerName": "mine", "dnsConfig": {"nameservers": ["10.0.0.1"]}, "hostname": "x", "imagePullSecrets": [],
        "ephemeralContainers": [], "resourceClaims": [], "aFieldOfALaterKubernetes": 1,
    }.items()},
    "no securityContext for the pod": (_spec(securityContext=None), "securityContext"),
    "the server's securityContext": (_server(securityContext={"privileged": True}), "securityContext"),
    "no securityContext for the server": (_server(securityContext=None), "securityContext"),
    "the server's command": (_server(command=["sh"]), "command"),
    "the server's args": (_server(args=[]), "args"),
    "the server's image": (_server(image="mine:1"), "image"),
    "the server's ports": (_server(ports=[]), "ports"),
    "a server twice": (_spec(containers=[{"name": "server"}, {"name": "server", "lifecycle": {}}]), "lifecycle"),
    "containers that are no list": (_spec(containers={"name": "server"}), "containers must be a list"),
    "volumes that are no list": (_spec(volumes=None), "volumes must be a list"),
    "a container without a name": (_spec(containers=[{"securityContext": {"privileged": True}}]), "with a name"),
    "an init container without a name": (_spec(initContainers=["x"]), "with a name"),
    "a volume without a name": (_spec(volumes=[{"hostPath": {"path": "/"}}]), "with a name"),
    "a plain sidecar": (_spec(containers=[{"name": "proxy", "image": "p:1"}]), "allowPrivilegeEscalation"),
    "a plain init container": (_spec(initContainers=[{"name": "i", "image": "i:1"}]), "allowPrivilegeEscalation"),
    "a privileged sidecar": (_context(privileged=True), "privileged"),
    "a privileged init container": (
        _spec(initContainers=[{"name": "i", "securityContext": {**RESTRICTED, "privileged": True}}]), "privileged"),
    "a sidecar that may escalate": (_context(allowPrivilegeEscalation=True), "allowPrivilegeEscalation"),
    "a sidecar that keeps capabilities": (_context(capabilities={"drop": ["NET_RAW"]}), "capabilities.drop"),
    "a sidecar that adds capabilities": (
        _context(capabilities={"drop": ["ALL"], "add": ["SYS_ADMIN"]}), "capabilities.add"),
    "a sidecar as root": (_context(runAsUser=0), "runAsUser"),
    "a sidecar that may be root": (_context(runAsNonRoot=False), "runAsNonRoot"),
    "an unconfined sidecar": (_context(seccompProfile={"type": "Unconfined"}), "seccompProfile"),
    "a sidecar with procMount": (_context(procMount="Unmasked"), "procMount"),
    "a sidecar with SELinux options": (_context(seLinuxOptions={"type": "spc_t"}), "seLinuxOptions"),
    "a sidecar with AppArmor off": (_context(appArmorProfile={"type": "Unconfined"}), "appArmorProfile"),
    "a host port": (_sidecar(ports=[{"containerPort": 1, "hostPort": 80}]), "hostPort"),
    "a probe of another host": (
        _sidecar(livenessProbe={"httpGet": {"host": "10.0.0.1", "port": 1}}), "host"),
    "a hook at another host": (
        _sidecar(lifecycle={"postStart": {"httpGet": {"host": "169.254.169.254", "port": 80}}}), "host"),
    "a raw device": (_sidecar(volumeDevices=[{"name": "d", "devicePath": "/dev/sda"}]), "volumeDevices"),
    "hostPath": (_volume(hostPath={"path": "/"}), "hostPath"),
    "hostPath in place of ours": (
        _spec(volumes=[{"name": "tmp", "emptyDir": None, "hostPath": {"path": "/"}}]), "hostPath"),
    "nfs": (_volume(nfs={"server": "10.0.0.1", "path": "/"}), "nfs"),
    "an inline CSI volume": (_volume(csi={"driver": "hostpath.csi.k8s.io"}), "csi"),
    "a service account's token": (
        _volume(projected={"sources": [{"serviceAccountToken": {"path": "token"}}]}), "projected"),
    "AppArmor off": (_APPARMOR, "annotations"),
    "a system priority": (_spec(priorityClassName="system-node-critical"), "priorityClassName"),
}  # fmt: skip
"""The podTemplate, and a word that the refusal must hold."""
