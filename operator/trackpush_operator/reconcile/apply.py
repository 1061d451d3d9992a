"""Applies children, but never one that somebody else created under the same name."""

import asyncio
import copy
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from trackpush_operator.kube.api import Api, Body, Cluster
from trackpush_operator.kube.errors import ConflictError, NotFoundError
from trackpush_operator.kube.field_ownership import handed_back, others_template_annotations, taken_over
from trackpush_operator.kube.kinds import INSTANCE_LABEL, MANAGED_BY_LABEL, MANAGER
from trackpush_operator.store.objects import Child, Item
from trackpush_operator.store.pods_and_children import PodsAndChildren

_CONFLICTS: Final = 5
_GONE_SECONDS: Final = 10.0
_PAUSE_SECONDS: Final = 0.1


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


async def recreate_child(cluster: Cluster, owned: PodsAndChildren, api: Api, known: Child, body: Body) -> None:
    """Delete a StatefulSet and create it again, because its volume claims can't be changed.

    Volumes are kept, and pods if their template is the same. So the annotations that others gave the template are kept
    too: without that of ``kubectl rollout restart``, the new StatefulSet would replace the pods.
    """
    found = await _existing(cluster, api, body)
    annotations = {} if found is None else others_template_annotations(found)
    await cluster.delete(api, known.namespace, known.name, uid=known.uid, orphan=True)
    owned.drop(known.kind, known.namespace, known.name, known.version)
    await _until_gone(cluster, api, known)
    if not annotations:
        await reconcile_child(cluster, owned, api, body)
        return
    made = copy.deepcopy(body)
    metadata = made["spec"]["template"]["metadata"]
    metadata["annotations"] = annotations | (metadata.get("annotations") or {})
    owned.take_child(api.kind, await cluster.apply(api, made))
    await _hand_back(cluster, owned, api, body, annotations)


async def _until_gone(cluster: Cluster, api: Api, known: Child) -> None:
    """The API server keeps the object until its garbage collector has released the pods. Raises TimeoutError."""
    async with asyncio.timeout(_GONE_SECONDS):
        while True:
            try:
                found = await cluster.get(api, known.namespace, known.name)
            except NotFoundError:
                return
            if found["metadata"]["uid"] != known.uid:
                return
            await asyncio.sleep(_PAUSE_SECONDS)


async def _hand_back(cluster: Cluster, owned: PodsAndChildren, api: Api, body: Body, names: Iterable[str]) -> None:
    """Leave these annotations to others. The StatefulSet's controller writes to the new object at the same time."""
    namespace, name = body["metadata"]["namespace"], body["metadata"]["name"]
    for left in reversed(range(_CONFLICTS)):
        found = await cluster.get(api, namespace, name)
        fields = handed_back(found, names)
        metadata = {"managedFields": fields, "resourceVersion": found["metadata"]["resourceVersion"]}
        try:
            owned.take_child(api.kind, await cluster.patch(api, namespace, name, {"metadata": metadata}))
        except ConflictError:
            if not left:
                raise
        else:
            return


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
