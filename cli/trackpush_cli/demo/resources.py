"""The demo's folder of resources: manifests/samples, with the clients' URLs pointing to this machine.

The samples are in the wheel as trackpush_cli/samples (pyproject.toml includes them); in the tree they are read where
they are, so there is one source.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from trackpush_cli.demo.endpoint import path_of
from trackpush_cli.errors import CommandError

RETRY_SCHEDULE = ["1s", "2s"]
"""Retry delays of the client that fails first, so that it recovers within seconds."""

Resource = dict[str, Any]


def sample_manifests() -> Path:
    """The folder of the sample resources.

    Raises:
        CommandError: neither the wheel nor the tree has them.
    """
    package = Path(__file__).parents[1]
    for folder in (package / "samples", package.parents[1] / "manifests" / "samples"):
        if any(folder.glob("*.yaml")):
            return folder
    raise CommandError(f"the sample resources are missing from {package}: install trackpush again")


def name_of(resource: Resource) -> str:
    """``namespace/name``."""
    metadata = resource["metadata"]
    return f"{metadata.get('namespace', 'default')}/{metadata['name']}"


def read(folder: Path) -> dict[Path, list[Resource]]:
    """All resources of a folder by file, sorted by name."""
    return {
        path: [resource for resource in yaml.safe_load_all(path.read_text()) if resource]
        for path in sorted(folder.rglob("*.yaml"))
    }


def of_kind(resources: Iterable[Resource], kind: str) -> Iterator[Resource]:
    return (resource for resource in resources if resource["kind"] == kind)


def turn_to_loopback(resource: Resource, endpoint: str) -> Resource:
    """The same resource for the demo: pushes go to ``endpoint`` (a URL without path), which the egress guard allows."""
    spec = dict(resource.get("spec", {}))
    if resource["kind"] == "WebhookServer":
        spec["egress"] = {"httpsOnly": False, "allowedCIDRs": ["127.0.0.0/8"]}
    elif resource["kind"] == "PushConfig":
        spec["url"] = endpoint + path_of(name_of(resource))
        spec.pop("tls", None)
    else:
        return resource
    return resource | {"spec": spec}


def with_short_retries(resource: Resource) -> Resource:
    """A PushConfig whose failed pushes are tried again within seconds."""
    spec = dict(resource["spec"])
    delivery = dict(spec.get("delivery", {}))
    delivery["retry"] = {"schedule": RETRY_SCHEDULE}
    return resource | {"spec": spec | {"delivery": delivery}}


def write(files: Mapping[Path, list[Resource]], source: Path, folder: Path) -> None:
    """Write resources to the same relative paths in ``folder``."""
    for path, resources in files.items():
        target = folder / path.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(yaml.safe_dump_all(resources, sort_keys=False, allow_unicode=True))
        target.chmod(0o600)


def keys(resources: Iterable[Resource]) -> dict[str, str]:
    """The first inbound key of each AggregatorWebhook, by its name."""
    everything = list(resources)
    secrets = {name_of(resource): resource.get("stringData", {}) for resource in of_kind(everything, "Secret")}
    found = {}
    for webhook in of_kind(everything, "AggregatorWebhook"):
        reference = webhook["spec"]["keys"][0]["secretKeyRef"]
        namespace = webhook["metadata"].get("namespace", "default")
        found[name_of(webhook)] = secrets[f"{namespace}/{reference['name']}"][reference["key"]]
    return found
