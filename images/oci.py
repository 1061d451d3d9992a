"""Writes a folder as an OCI image in a tar: one layer, reproducible, no container engine needed."""

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

_MEDIA = "application/vnd.oci.image."
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


class _Layout:
    """An OCI image layout in the making: blobs by digest."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}'}

    def add(self, data: bytes, media: str, **more: Any) -> dict[str, Any]:
        """Store a blob; its descriptor."""
        digest = hashlib.sha256(data).hexdigest()
        self.files[f"blobs/sha256/{digest}"] = data
        return {"mediaType": _MEDIA + media, "digest": f"sha256:{digest}", "size": len(data), **more}


def write(out: Path, name: str, root: Path, config: dict[str, Any], *, machine: str = "x86_64") -> str:
    """Write the image ``name`` (with its tag) to ``out``.

    Returns:
        The digest of its manifest, ``sha256:…``.
    """
    layout = _Layout()
    layer = layout.add(_layer(root), "layer.v1.tar")
    description = {
        "architecture": _ARCHITECTURES[machine],
        "os": "linux",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
        "history": [{"created_by": "images/build.py"}],
    }
    configured = layout.add(_json(description), "config.v1+json")
    manifest = {"schemaVersion": 2, "mediaType": _MEDIA + "manifest.v1+json", "config": configured, "layers": [layer]}
    names = {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name.rpartition(":")[2]}
    described = layout.add(_json(manifest), "manifest.v1+json", annotations=names)
    layout.files["index.json"] = _json({"schemaVersion": 2, "manifests": [described]})
    with tarfile.open(out, "w") as tar:
        for path, data in layout.files.items():
            info = tarfile.TarInfo(path)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return str(described["digest"])


def _layer(root: Path) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for path in sorted(root.rglob("*")):
            tar.add(path, path.relative_to(root).as_posix(), recursive=False, filter=_plain)
    return out.getvalue()


def _plain(info: tarfile.TarInfo) -> tarfile.TarInfo:
    """Owned by root and without times, so that the same files give the same image."""
    info.uid = info.gid = 0
    info.mtime = 0
    info.uname = info.gname = ""
    return info


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True).encode()
