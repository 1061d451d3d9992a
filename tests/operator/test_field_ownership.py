"""What others wrote into a child's own parts becomes ours, and nothing else does."""

from typing import Any

import pytest

from trackpush_operator.kube.field_ownership import taken_over

OURS = {"manager": "trackpush-operator", "operation": "Apply", "fieldsV1": {"f:spec": {"f:ports": {"k:80": {}}}}}
Entry = dict[str, Any]


def child(*others: Entry) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"managedFields": [OURS, *others]}}


def taken(body: dict[str, Any], **spec: Any) -> list[dict[str, Any]] | None:
    return taken_over(body, wanted={"kind": "Deployment", "spec": {"replicas": 2, **spec}})


def edit(fields: dict[str, Any], **given: Any) -> Entry:
    return {"manager": "kubectl-edit", "operation": "Update", "fieldsV1": fields, **given}


def test_nothing_is_done_where_nobody_else_wrote() -> None:
    assert taken(child()) is None
    assert taken({"apiVersion": "v1", "metadata": {}}) is None


def test_an_added_port_is_owned_and_removed_by_the_next_apply() -> None:
    found = taken(child(edit({"f:spec": {"f:ports": {"k:4444": {"f:name": {}}}}})))
    assert found is not None
    (mine,) = found
    assert mine["fieldsV1"] == {"f:spec": {"f:ports": {"k:80": {}, "k:4444": {"f:name": {}}}}}
    assert (mine["manager"], mine["operation"]) == ("trackpush-operator", "Apply")


def test_metadata_stays_theirs() -> None:
    annotated = {"f:metadata": {"f:annotations": {"f:x": {}}}}
    assert taken(child(edit(annotated))) is None
    found = taken(child(edit({**annotated, "f:spec": {"f:type": {}}})))
    assert found is not None
    assert found[1]["fieldsV1"] == annotated


def test_a_rollout_restarts_annotation_stays_theirs() -> None:
    restart = {"f:spec": {"f:template": {"f:metadata": {"f:annotations": {"f:kubectl.kubernetes.io/restartedAt": {}}}}}}
    assert taken(child(edit(restart))) is None
    both = {"f:spec": {**restart["f:spec"], "f:replicas": {}}}
    found = taken(child(edit(both)))
    assert found is not None
    assert found[0]["fieldsV1"]["f:spec"] == {"f:ports": {"k:80": {}}, "f:replicas": {}}
    assert found[1]["fieldsV1"] == restart


def test_a_subresource_stays_its_controllers() -> None:
    assert taken(child(edit({"f:spec": {"f:replicas": {}}}, subresource="scale"))) is None
    assert taken(child(edit({"f:status": {"f:replicas": {}}}, subresource="status"))) is None


@pytest.mark.parametrize("others", [(), ({"f:spec": {"f:replicas": {}}},)])
def test_a_number_of_replicas_that_is_named_no_more_becomes_the_autoscalers_and_not_one(others: tuple[Entry]) -> None:
    ours = {"manager": "trackpush-operator", "operation": "Apply", "fieldsV1": {"f:spec": {"f:replicas": {}}}}
    body = {"apiVersion": "apps/v1", "kind": "Deployment"}
    body["metadata"] = {"managedFields": [ours, *(edit(other) for other in others)]}
    found = taken_over(body, wanted={"kind": "Deployment", "spec": {}})
    assert found is not None
    owners = [entry for entry in found if "f:replicas" in entry["fieldsV1"].get("f:spec", {})]
    assert [(owner["operation"], owner["subresource"]) for owner in owners] == [("Update", "scale")]
    assert taken_over({**body, "metadata": {"managedFields": found}}, wanted={"kind": "Deployment", "spec": {}}) is None
