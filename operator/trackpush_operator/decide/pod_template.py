"""Decides which fields of a podTemplate the operator merges into a server's pods. Pure.

The operator creates pods with its own rights. Without this check, whoever may write a WebhookServer would get these
rights: a privileged container, the node's files, another ServiceAccount. Only listed fields are allowed; every other
field is refused, including those that a later Kubernetes adds. Containers must satisfy the Pod Security Standard
"restricted", even if the namespace doesn't enforce it.

The chart's ValidatingAdmissionPolicy has the same rules in CEL (helm/trackpush/templates/pod-template-policy.yaml).
Tests check both against one table, `tests/support/pod_templates.py`.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from trackpush_api.kinds.webhook_server import PodTemplate

_SCHEDULING: Final = ("affinity", "nodeSelector", "priorityClassName", "tolerations", "topologySpreadConstraints")
_OF_POD: Final = frozenset({*_SCHEDULING, "containers", "initContainers", "volumes"})
_OF_SERVER: Final = frozenset({"env", "envFrom", "name", "resources", "volumeMounts"})
_OF_SIDECAR: Final = _OF_SERVER | {
    "args", "command", "image", "imagePullPolicy", "lifecycle", "livenessProbe", "ports", "readinessProbe",
    "restartPolicy", "securityContext", "startupProbe", "terminationMessagePath", "terminationMessagePolicy",
    "workingDir",
}  # fmt: skip
_VOLUMES: Final = ("configMap", "downwardAPI", "emptyDir", "persistentVolumeClaim", "projected", "secret")
_SOURCES: Final = ("clusterTrustBundle", "configMap", "downwardAPI", "secret")
"""Without serviceAccountToken and podCertificate: a server's pods have no identity at the API server."""
_CONTEXT: Final = frozenset(
    {"allowPrivilegeEscalation", "capabilities", "readOnlyRootFilesystem", "runAsGroup", "runAsNonRoot", "runAsUser",
     "seccompProfile"}
)  # fmt: skip
_PROFILES: Final = ("Localhost", "RuntimeDefault")
_HANDLERS: Final = ("httpGet", "tcpSocket")
_PROBES: Final = ("livenessProbe", "readinessProbe", "startupProbe")
_HOOKS: Final = ("postStart", "preStop")
_APPARMOR: Final = "container.apparmor.security.beta.kubernetes.io/"
_SERVER: Final = "server"


class Objection(NamedTuple):
    """A refused field, and what to do."""

    field: str
    message: str


def objections(template: PodTemplate | None) -> Iterator[Objection]:
    """The refused fields of a podTemplate, in order."""
    if template is None:
        return
    for name, value in template.annotations.items():
        if name.startswith(_APPARMOR) and value != "runtime/default" and not value.startswith("localhost/"):
            yield Objection(f"spec.podTemplate.annotations[{name}]", 'must be "runtime/default" or "localhost/PROFILE"')
    path = "spec.podTemplate.spec"
    yield from _unlisted(template.spec, _OF_POD, path)
    for part, check in (("containers", _container), ("initContainers", _sidecar), ("volumes", _volume)):
        if part in template.spec:
            yield from _each(template.spec[part], f"{path}.{part}", check)
    priority = template.spec.get("priorityClassName")
    if isinstance(priority, str) and priority.startswith("system-"):
        yield Objection(f"{path}.priorityClassName", "must not begin with system-: such pods preempt all others")


def _unlisted(given: Mapping[str, Any], listed: frozenset[str], path: str) -> Iterator[Objection]:
    for name in sorted(given.keys() - listed):
        yield Objection(f"{path}.{name}", "is not allowed; remove it")


def _each(given: Any, path: str, check: Any) -> Iterator[Objection]:
    """Check each element. An element without a name would replace the operator's list instead of adding to it."""
    if not isinstance(given, list):
        yield Objection(path, "must be a list")
        return
    for index, element in enumerate(given):
        if isinstance(element, dict) and isinstance(element.get("name"), str):
            yield from check(element, f"{path}[{index}]")
        else:
            yield Objection(f"{path}[{index}]", "must be an object with a name")


def _container(given: dict[str, Any], path: str) -> Iterator[Objection]:
    if given["name"] == _SERVER:
        yield from _unlisted(given, _OF_SERVER, path)
    else:
        yield from _sidecar(given, path)


def _sidecar(given: dict[str, Any], path: str) -> Iterator[Objection]:
    yield from _unlisted(given, _OF_SIDECAR, path)
    yield from _context(given.get("securityContext"), f"{path}.securityContext")
    for index, port in enumerate(_list(given.get("ports"))):
        for name in sorted(_object(port).keys() & {"hostIP", "hostPort"}):
            yield Objection(f"{path}.ports[{index}].{name}", "is not allowed; remove it")
    lifecycle = _object(given.get("lifecycle"))
    handlers = {name: given.get(name) for name in _PROBES} | {
        f"lifecycle.{name}": lifecycle.get(name) for name in _HOOKS
    }
    for name, handler in handlers.items():
        for action in _HANDLERS:
            if "host" in _object(_object(handler).get(action)):
                yield Objection(f"{path}.{name}.{action}.host", "is not allowed; remove it")


def _context(given: Any, path: str) -> Iterator[Objection]:
    """Check a container's own securityContext against the Pod Security Standard "restricted"."""
    context = _object(given)
    yield from _unlisted(context, _CONTEXT, path)
    if context.get("allowPrivilegeEscalation") is not False:
        yield Objection(f"{path}.allowPrivilegeEscalation", "must be false; set it")
    capabilities = _object(context.get("capabilities"))
    if "ALL" not in _list(capabilities.get("drop")):
        yield Objection(f"{path}.capabilities.drop", 'must hold "ALL"; set it')
    if any(name != "NET_BIND_SERVICE" for name in _list(capabilities.get("add"))):
        yield Objection(f"{path}.capabilities.add", "may hold NET_BIND_SERVICE only; remove the others")
    if context.get("runAsNonRoot", True) is not True:
        yield Objection(f"{path}.runAsNonRoot", "must be true; set it")
    if context.get("runAsUser", 1) == 0:
        yield Objection(f"{path}.runAsUser", "must not be 0; set the number of another user")
    if "seccompProfile" in context and _object(context["seccompProfile"]).get("type") not in _PROFILES:
        yield Objection(f"{path}.seccompProfile.type", f"must be {' or '.join(_PROFILES)}")


def _volume(given: dict[str, Any], path: str) -> Iterator[Objection]:
    for name in sorted(given.keys() - {"name", *_VOLUMES}):
        yield Objection(f"{path}.{name}", f"is not allowed; use one of {', '.join(_VOLUMES)}")
    for index, source in enumerate(_list(_object(given.get("projected")).get("sources"))):
        for name in sorted(_object(source).keys() - set(_SOURCES)):
            message = f"is not allowed; use one of {', '.join(_SOURCES)}"
            yield Objection(f"{path}.projected.sources[{index}].{name}", message)


def _object(given: Any) -> dict[str, Any]:
    """The object; empty for any other type, which the API server refuses in a pod."""
    return given if isinstance(given, dict) else {}


def _list(given: Any) -> list[Any]:
    return given if isinstance(given, list) else []
