"""What others wrote into a child's own parts becomes ours, and nothing else does."""

from typing import Any

from trackpush_operator.takeover import taken_over

OURS = {"manager": "trackpush-operator", "operation": "Apply", "fieldsV1": {"f:spec": {"f:ports": {"k:80": {}}}}}
Entry = dict[str, Any]


def child(*others: Entry) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"managedFields": [OURS, *others]}}


def edit(fields: dict[str, Any], **given: Any) -> Entry:
    return {"manager": "kubectl-edit", "operation": "Update", "fieldsV1": fields, **given}


def test_nothing_is_done_where_nobody_else_wrote() -> None:
    assert taken_over(child()) is None
    assert taken_over({"apiVersion": "v1", "metadata": {}}) is None


def test_an_added_port_becomes_ours_so_that_it_goes_with_the_next_apply() -> None:
    found = taken_over(child(edit({"f:spec": {"f:ports": {"k:4444": {"f:name": {}}}}})))
    assert found is not None
    (mine,) = found
    assert mine["fieldsV1"] == {"f:spec": {"f:ports": {"k:80": {}, "k:4444": {"f:name": {}}}}}
    assert (mine["manager"], mine["operation"]) == ("trackpush-operator", "Apply")


def test_metadata_stays_theirs() -> None:
    annotated = {"f:metadata": {"f:annotations": {"f:x": {}}}}
    assert taken_over(child(edit(annotated))) is None
    found = taken_over(child(edit({**annotated, "f:spec": {"f:type": {}}})))
    assert found is not None
    assert found[1]["fieldsV1"] == annotated


def test_a_rollout_restarts_annotation_stays_theirs() -> None:
    restart = {"f:spec": {"f:template": {"f:metadata": {"f:annotations": {"f:kubectl.kubernetes.io/restartedAt": {}}}}}}
    assert taken_over(child(edit(restart))) is None
    both = {"f:spec": {**restart["f:spec"], "f:replicas": {}}}
    found = taken_over(child(edit(both)))
    assert found is not None
    assert found[0]["fieldsV1"]["f:spec"] == {"f:ports": {"k:80": {}}, "f:replicas": {}}
    assert found[1]["fieldsV1"] == restart


def test_a_subresource_stays_its_controllers() -> None:
    assert taken_over(child(edit({"f:spec": {"f:replicas": {}}}, subresource="scale"))) is None
    assert taken_over(child(edit({"f:status": {"f:replicas": {}}}, subresource="status"))) is None
