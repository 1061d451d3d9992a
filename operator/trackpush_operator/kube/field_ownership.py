"""Removes other managers' additions to a child. Pure.

Server-side apply sets the fields in our manifest and keeps fields that others added: for example, another port of a
Service remains when we apply ours again. So before an apply, ``managedFields`` is changed: the fields that others own
in the parts that we manage become ours. Then the apply removes those that our manifest doesn't contain.

Other managers keep the metadata (controllers add annotations), the annotations of a pod template (``kubectl rollout
restart``), and everything written through a subresource.
"""

import copy
from collections.abc import Iterable
from typing import Any, Final

from trackpush_operator.kube.api import Body
from trackpush_operator.kube.kinds import MANAGER

_OWN_PARTS: Final = ("f:spec", "f:data", "f:automountServiceAccountToken")
Fields = dict[str, Any]


def taken_over(body: Body, *, wanted: Body) -> list[Body] | None:
    """The managedFields to set before ``wanted`` is applied; None if they are already right.

    Others' fields become ours. If ``wanted`` no longer has a number of replicas, that field becomes the autoscaler's,
    because an apply that removes it would set it to 1.
    """
    entries: list[Body] = body["metadata"].get("managedFields") or []
    found = _with_others(body, entries)
    if not _leaves_replicas(wanted):
        return found
    handed = [_without_replicas(entry) for entry in found or entries]
    return found if handed == (found or entries) else [*handed, _replicas_of_an_autoscaler(body)]


def others_template_annotations(body: Body) -> dict[str, str]:
    """The annotations of a pod template that other managers own, such as that of ``kubectl rollout restart``."""
    found: dict[str, str] = body["spec"]["template"]["metadata"].get("annotations") or {}
    owned = {
        name.removeprefix("f:")
        for entry in body["metadata"].get("managedFields") or []
        if _is_foreign(entry)
        for name in _template_annotations(entry)
    }
    return {name: value for name, value in found.items() if name in owned}


def handed_back(body: Body, annotations: Iterable[str]) -> list[Body]:
    """The managedFields with which these annotations of the pod template are not ours, so the next apply keeps them."""
    theirs: Fields = {f"f:{name}": {} for name in annotations}
    entries = [
        _without_annotations(entry, theirs) if _is_ours(entry) else entry for entry in body["metadata"]["managedFields"]
    ]
    made = {
        "manager": "kubectl-rollout",  # as kubectl names itself, so that its next restart replaces the annotation
        "operation": "Update",
        "apiVersion": body["apiVersion"],
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:spec": {"f:template": {"f:metadata": {"f:annotations": theirs}}}},
        "time": entries[0].get("time"),
    }
    return [*entries, made]


def _template_annotations(entry: Body) -> Fields:
    template = ((entry.get("fieldsV1") or {}).get("f:spec") or {}).get("f:template") or {}
    found: Fields = (template.get("f:metadata") or {}).get("f:annotations") or {}
    return found


def _without_annotations(entry: Body, names: Fields) -> Body:
    result = copy.deepcopy(entry)
    annotations = _template_annotations(result)
    for name in names:
        annotations.pop(name, None)
    return result


def _leaves_replicas(wanted: Body) -> bool:
    return wanted["kind"] == "Deployment" and "replicas" not in wanted["spec"]


def _without_replicas(entry: Body) -> Body:
    spec = (entry.get("fieldsV1") or {}).get("f:spec") or {}
    if not _is_ours(entry) or "f:replicas" not in spec:
        return entry
    rest = {name: part for name, part in spec.items() if name != "f:replicas"}
    return {**entry, "fieldsV1": {**entry["fieldsV1"], "f:spec": rest}}


def _replicas_of_an_autoscaler(body: Body) -> Body:
    """A managedFields entry as if an autoscaler had set the replicas: fields of a subresource are never taken over."""
    return {
        "manager": f"{MANAGER}-handover",
        "operation": "Update",
        "subresource": "scale",
        "apiVersion": body["apiVersion"],
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:spec": {"f:replicas": {}}},
        "time": body["metadata"]["managedFields"][0].get("time"),
    }


def _with_others(body: Body, entries: list[Body]) -> list[Body] | None:
    others = [entry for entry in entries if _is_foreign(entry) and _parts(entry)]
    if not others:
        return None
    ours = next((entry for entry in entries if _is_ours(entry)), None)
    fields: Fields = {} if ours is None else ours.get("fieldsV1") or {}
    for other in others:
        fields = _union(fields, _parts(other))
    made = {
        "manager": MANAGER,
        "operation": "Apply",
        "apiVersion": body["apiVersion"],
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
        "time": entries[0].get("time"),
    }
    rest = [_without(entry) if entry in others else entry for entry in entries if entry is not ours]
    return [made, *(entry for entry in rest if entry.get("fieldsV1"))]


def _is_ours(entry: Body) -> bool:
    return entry.get("manager") == MANAGER and entry.get("operation") == "Apply" and not entry.get("subresource")


def _is_foreign(entry: Body) -> bool:
    return not _is_ours(entry) and not entry.get("subresource")


def _parts(entry: Body) -> Fields:
    """The parts of a child that a manager wrote."""
    found = {name: part for name, part in (entry.get("fieldsV1") or {}).items() if name in _OWN_PARTS}
    return _without_template_annotations(found)


def _without(entry: Body) -> Body:
    rest = {name: part for name, part in (entry.get("fieldsV1") or {}).items() if name not in _OWN_PARTS}
    annotations = _template_annotations(entry)
    if annotations:
        rest["f:spec"] = {"f:template": {"f:metadata": {"f:annotations": annotations}}}
    return {**entry, "fieldsV1": rest}


def _without_template_annotations(parts: Fields) -> Fields:
    spec = parts.get("f:spec") or {}
    template = spec.get("f:template") or {}
    metadata = {name: part for name, part in (template.get("f:metadata") or {}).items() if name != "f:annotations"}
    if metadata == (template.get("f:metadata") or {}):
        return parts
    slim = {name: part for name, part in template.items() if name != "f:metadata"} | (
        {"f:metadata": metadata} if metadata else {}
    )
    kept = {name: part for name, part in spec.items() if name != "f:template"} | ({"f:template": slim} if slim else {})
    rest = {name: part for name, part in parts.items() if name != "f:spec"}
    return rest | ({"f:spec": kept} if kept else {})


def _union(fields: Fields, other: Fields) -> Fields:
    """The union of two sets of fields in the form of ``fieldsV1``: nested mappings."""
    result = dict(fields)
    for name, part in other.items():
        known = result.get(name)
        result[name] = _union(known, part) if isinstance(known, dict) and isinstance(part, dict) else part
    return result
