"""The cluster that the tests run on is a real one, and our kinds are in it."""

from pathlib import Path

import pytest
import yaml

from kube.fixtures import ROOT, ApiServer

SAMPLES = sorted((ROOT / "manifests/samples").rglob("*.yaml"))


def test_it_tells_its_version_and_has_controllers(api_server: ApiServer) -> None:
    assert "Server Version: v1." in api_server.kubectl("version").stdout
    assert api_server.get("serviceaccount", "default")["metadata"]["name"] == "default"


@pytest.mark.parametrize(
    ("kind", "short", "columns"),
    [
        ("pushconfigs", "pc", ["Ready", "Reason", "URL", "Age"]),
        ("aggregatorwebhooks", "aw", ["Ready", "Reason", "URL", "Age"]),
        ("webhookservers", "whs", ["Ready", "Reason", "Age"]),
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
    documents = [one for one in yaml.safe_load_all(file.read_text()) if one]
    for one in documents:
        if "namespace" in one["metadata"]:
            one["metadata"]["namespace"] = namespace
    objects = [one for one in documents if one["kind"] != "Namespace"]
    api_server.apply(yaml.safe_dump_all(objects), "--dry-run=server")


def test_our_kinds_stand_in_no_state_of_repair(api_server: ApiServer) -> None:
    """A schema that is not structural is served, but neither pruned nor defaulted."""
    for kind in ("pushconfigs", "aggregatorwebhooks", "webhookservers"):
        status = api_server.get("crd", f"{kind}.trackpush.dev")["status"]
        assert not [one for one in status["conditions"] if one["type"] == "NonStructuralSchema"]
