"""The cluster that the tests run on is a real one, and our kinds are in it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from kube.fixtures import ROOT, ApiServer
from trackpush_aggregators.catalog import catalog_names, catalog_text

SAMPLES = sorted((ROOT / "manifests/samples").rglob("*.yaml"))


def test_it_shows_its_version_and_has_controllers(api_server: ApiServer) -> None:
    assert "Server Version: v1." in api_server.kubectl("version").stdout
    assert api_server.get("serviceaccount", "default")["metadata"]["name"] == "default"


@pytest.mark.parametrize(
    ("kind", "short", "columns"),
    [
        ("pushconfigs", "pcfg", ["Ready", "Reason", "URL", "Age"]),
        ("aggregatorwebhooks", "aw", ["Ready", "Reason", "URL", "Age"]),
        ("webhookservers", "whs", ["Ready", "Reason", "Age"]),
        ("aggregatordefinitions", "adef", ["Ready", "Reason", "Path", "Age"]),
    ],
)
def test_a_kind_has_short_name_category_columns_and_status(
    api_server: ApiServer, kind: str, short: str, columns: list[str]
) -> None:
    found = api_server.get("crd", f"{kind}.trackpush.dev")["spec"]
    assert found["names"]["shortNames"] == [short]
    assert found["names"]["categories"] == ["trackpush"]
    assert found["scope"] == "Namespaced"
    (version,) = found["versions"]
    assert "status" in version["subresources"]
    names = [column["name"] for column in version["additionalPrinterColumns"]]
    assert set(columns) <= set(names), names
    assert api_server.kubectl("get", short, "-A").returncode == 0


@pytest.mark.parametrize("file", SAMPLES, ids=lambda file: file.name)
def test_the_samples_are_accepted(api_server: ApiServer, namespace: str, file: Path) -> None:
    documents = [document for document in yaml.safe_load_all(file.read_text()) if document]
    for document in documents:
        if "namespace" in document["metadata"]:
            document["metadata"]["namespace"] = namespace
    objects = [document for document in documents if document["kind"] != "Namespace"]
    api_server.apply(yaml.safe_dump_all(objects), "--dry-run=server")


@pytest.mark.parametrize("name", catalog_names())
def test_the_definitions_of_the_catalog_are_accepted(api_server: ApiServer, namespace: str, name: str) -> None:
    resource = yaml.safe_load(catalog_text(name) or "")
    resource["metadata"] = {"name": name, "namespace": namespace}
    api_server.apply(yaml.safe_dump(resource), "--dry-run=server")


def test_our_kinds_stand_in_no_state_of_repair(api_server: ApiServer) -> None:
    """A schema that is not structural is served, but neither pruned nor defaulted."""
    for kind in ("pushconfigs", "aggregatorwebhooks", "webhookservers", "aggregatordefinitions"):
        status = api_server.get("crd", f"{kind}.trackpush.dev")["status"]
        assert not [condition for condition in status["conditions"] if condition["type"] == "NonStructuralSchema"]


def test_no_short_name_is_one_of_kubernetes_itself(api_server: ApiServer) -> None:
    listed = api_server.kubectl("api-resources", "--no-headers", "-o", "wide").stdout.splitlines()
    ours = [line.split() for line in listed if "trackpush.dev/" in line]
    others = {name for line in listed if "trackpush.dev/" not in line for name in line.split()[1].split(",")}
    short = {name for words in ours for name in words[1].split(",")}
    assert short == {"pcfg", "aw", "whs", "adef"}
    assert "po" in others
    assert not short & others


@pytest.mark.parametrize("kind", ["pushconfigs", "aggregatorwebhooks", "webhookservers", "aggregatordefinitions"])
def test_every_field_of_spec_and_status_is_explained(api_server: ApiServer, kind: str) -> None:
    (version,) = api_server.get("crd", f"{kind}.trackpush.dev")["spec"]["versions"]
    schema = version["schema"]["openAPIV3Schema"]["properties"]

    def unexplained(node: Any, path: str) -> Iterator[str]:
        for name, child in node.get("properties", {}).items():
            if not child.get("description"):
                yield f"{path}.{name}"
            yield from unexplained(child, f"{path}.{name}")
        if isinstance(node.get("items"), dict):
            yield from unexplained(node["items"], f"{path}[]")

    assert [*unexplained(schema["spec"], "spec"), *unexplained(schema["status"], "status")] == []
    assert "in a sentence" in api_server.kubectl("explain", f"{kind}.status.conditions.message").stdout


def test_a_server_is_scaled_by_kubectl(api_server: ApiServer, namespace: str) -> None:
    storage = {"postgres": {"dsnSecretRef": {"name": "db", "key": "dsn"}}}
    metadata = {"name": "main", "namespace": namespace}
    body = {"apiVersion": "trackpush.dev/v1alpha1", "kind": "WebhookServer", "metadata": metadata}
    api_server.apply(yaml.safe_dump({**body, "spec": {"storage": storage}}))
    api_server.kubectl("scale", "whs/main", "-n", namespace, "--replicas=3")
    assert api_server.get("whs", "main", "-n", namespace)["spec"]["replicas"] == 3
    api_server.apply(yaml.safe_dump({**body, "metadata": {**metadata, "name": "small"}, "spec": {}}))
    refused = api_server.kubectl("scale", "whs/small", "-n", namespace, "--replicas=2", check=False)
    assert "SQLite serves one replica" in refused.stderr
