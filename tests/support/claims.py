"""Claims of volumes, as provisioners leave them."""

from typing import Any

from support.operating import Client
from trackpush_operator.kube.api import Api
from trackpush_operator.kube.kinds import VOLUME_CLAIMS

_CLASSES = Api("storage.k8s.io", "v1", "storageclasses", "StorageClass", namespaced=False)
_VOLUMES = Api("", "v1", "persistentvolumes", "PersistentVolume", namespaced=False)
PATIENCE = 60.0


async def bound_claim(acting: Client, namespace: str, *, can_grow: bool) -> None:
    """A bound claim ``data-main-0`` of 10Gi, of a storage class ``NAMESPACE-growing`` or ``NAMESPACE-fixed``."""
    name = f"{namespace}-{'growing' if can_grow else 'fixed'}"
    common: dict[str, Any] = {"accessModes": ["ReadWriteOnce"], "storageClassName": name}
    storage_class = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": name},
        "provisioner": "test.example/none",
        "allowVolumeExpansion": can_grow,
    }
    disk = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            **common,
            "capacity": {"storage": "10Gi"},
            "csi": {"driver": "test.example", "volumeHandle": name},
            "claimRef": {"namespace": namespace, "name": "data-main-0"},
        },
    }
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data-main-0", "namespace": namespace},
        "spec": {**common, "volumeName": name, "resources": {"requests": {"storage": "10Gi"}}},
    }
    for api, body in ((_CLASSES, storage_class), (_VOLUMES, disk), (VOLUME_CLAIMS, claim)):
        await acting.cluster.create(api, body)

    async def phase() -> str | None:
        found = await acting.cluster.get(VOLUME_CLAIMS, namespace, "data-main-0")
        return str((found.get("status") or {}).get("phase"))

    await acting.until(phase, "Bound", seconds=PATIENCE)
