"""Applies children, but never one that somebody else created under the same name."""

from typing import Any

import msgspec

from trackpush_operator.kube.api import Api, Body, Cluster
from trackpush_operator.kube.errors import NotFoundError
from trackpush_operator.kube.field_ownership import taken_over
from trackpush_operator.kube.kinds import INSTANCE_LABEL, MANAGED_BY_LABEL, MANAGER
from trackpush_operator.store.objects import Item
from trackpush_operator.store.pods_and_children import PodsAndChildren


class ForeignError(Exception):
    """An object that belongs to somebody else has a child's name; the message names it and says what to do."""


def as_owner(item: Item) -> Body:
    """A WebhookServer in the form that the builders of children take."""
    metadata: dict[str, Any] = {
        "namespace": item.key.namespace,
        "name": item.key.name,
        "uid": item.uid,
        "generation": item.generation,
    }
    spec = msgspec.json.decode(item.spec)
    return {"apiVersion": "trackpush.dev/v1alpha1", "kind": item.key.kind.value, "metadata": metadata, "spec": spec}


async def apply_child(cluster: Cluster, owned: PodsAndChildren, api: Api, body: Body) -> None:
    """Apply a child and store the answer, so that its event isn't mistaken for somebody else's change.

    Raises:
        ForeignError: the name is taken.
        ClusterError: the API server refused or didn't answer.
    """
    metadata = body["metadata"]
    if (api.kind, metadata["namespace"], metadata["name"]) not in owned.children.known:
        await _existing(cluster, api, body)
    owned.take_child(api.kind, await cluster.apply(api, body))


async def reconcile_child(cluster: Cluster, owned: PodsAndChildren, api: Api, body: Body) -> None:
    """Apply a child as `apply_child` does, and remove others' additions."""
    found = await _existing(cluster, api, body)
    fields = None if found is None else taken_over(found, wanted=body)
    if found is not None and fields is not None:
        metadata = {"managedFields": fields, "resourceVersion": found["metadata"]["resourceVersion"]}
        await cluster.patch(api, found["metadata"]["namespace"], found["metadata"]["name"], {"metadata": metadata})
    owned.take_child(api.kind, await cluster.apply(api, body))


async def _existing(cluster: Cluster, api: Api, body: Body) -> Body | None:
    metadata = body["metadata"]
    try:
        found = await cluster.get(api, metadata["namespace"], metadata["name"])
    except NotFoundError:
        return None
    labels, wanted = found["metadata"].get("labels") or {}, metadata["labels"]
    owners = {reference.get("uid") for reference in found["metadata"].get("ownerReferences") or []}
    ours = {reference["uid"] for reference in metadata["ownerReferences"]}
    is_labelled = labels.get(MANAGED_BY_LABEL) == MANAGER and labels.get(INSTANCE_LABEL) == wanted[INSTANCE_LABEL]
    if not is_labelled and not owners & ours:
        raise ForeignError(
            f"{api.kind} {metadata['namespace']}/{metadata['name']} exists and isn't this WebhookServer's;"
            " delete it, or give the WebhookServer another name"
        )
    return found
