"""docs/aggregators: each panel's page works in a folder and in a cluster, and names the URL that both show."""

import itertools
import re
from pathlib import Path
from typing import Final

import msgspec
import pytest
import yaml
from click.testing import CliRunner

from trackpush_aggregators.catalog import CATALOG, catalog_names
from trackpush_api.definitions import profiles
from trackpush_api.kinds.webhook_server import WebhookServerSpec
from trackpush_cli.main import cli
from trackpush_operator.decide.webhook import WebhookSnapshot, url

FOLDER: Final = Path(__file__).parents[2] / "docs" / "aggregators"
PAGES: Final = ("clickpost", "shiprocket", "shipway", *catalog_names())
_YAML: Final = re.compile(r"^ *```yaml\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
_CREATE: Final = re.compile(r"kubectl -n acme create secret generic (\S+)((?: --from-literal=[\w-]+=\"[^\"]+\")+)")
_ENDS: Final = re.compile(r"It ends in `(/rms/in/api/[^`]+)`")
SERVER: Final = {
    "apiVersion": "trackpush.dev/v1alpha1",
    "kind": "WebhookServer",
    "metadata": {"name": "main", "namespace": "trackpush"},
    "spec": {
        "hosts": [{"host": "hooks.example.com"}],
        "basePath": "/rms/in/api",
        "allowedNamespaces": {"from": "All"},
        "storage": {"sqlite": {"size": "10Gi"}},
    },
}
CLIENT: Final = {
    "apiVersion": "trackpush.dev/v1alpha1",
    "kind": "PushConfig",
    "metadata": {"name": "oms", "namespace": "acme"},
    "spec": {"url": "https://acme.example.com/hooks"},
}


def resources(page: str) -> list[dict[str, object]]:
    """The AggregatorWebhook and the Secret of a page."""
    text = (FOLDER / f"{page}.md").read_text(encoding="utf-8")
    long = itertools.count(10**24)  # a key that a reader puts in is long, and no two are the same
    filled = re.sub(r"THE-[A-Z-]+", lambda _: str(next(long)), text)
    found = [yaml.safe_load(block) for block in _YAML.findall(filled)]
    return [document for document in found if isinstance(document, dict) and "kind" in document]


@pytest.mark.parametrize("page", PAGES)
def test_the_resources_of_a_page_are_valid_in_a_folder_and_check_prints_the_pages_url(
    page: str, tmp_path: Path
) -> None:
    text = (FOLDER / f"{page}.md").read_text(encoding="utf-8")
    documents = [SERVER, CLIENT, *resources(page)]
    (tmp_path / "all.yaml").write_text(yaml.safe_dump_all(documents), encoding="utf-8")

    checked = CliRunner().invoke(cli, ["check", str(tmp_path)])

    (shown,) = _ENDS.findall(text)
    assert {document["kind"] for document in documents[2:]} == {"AggregatorWebhook", "Secret"}
    assert checked.exit_code == 0, checked.output
    assert "0 errors, 0 warnings" in checked.output
    assert f"acme/{page}: https://hooks.example.com{shown}\n" in checked.output


@pytest.mark.parametrize("page", PAGES)
def test_the_secret_that_a_page_creates_has_the_keys_that_its_resource_names(page: str) -> None:
    text = (FOLDER / f"{page}.md").read_text(encoding="utf-8")
    webhook, secret = resources(page)

    name, literals = _CREATE.findall(text)[0]

    wanted = set(re.findall(r"secretKeyRef: \{name: ([\w-]+), key: ([\w-]+)\}", text))
    assert {(name, key) for key in re.findall(r"--from-literal=([\w-]+)=", literals)} == wanted
    assert secret["metadata"] == {"name": name, "namespace": "acme"}
    assert webhook["kind"] == "AggregatorWebhook"


@pytest.mark.parametrize("page", PAGES)
def test_the_status_of_a_resource_shows_the_url_that_the_page_names(page: str) -> None:
    text = (FOLDER / f"{page}.md").read_text(encoding="utf-8")
    aggregator = next(name for name in profiles((), CATALOG) if name.lower() == page)
    spec = WebhookServerSpec.model_validate(SERVER["spec"])
    snapshot = WebhookSnapshot(facts=profiles((), CATALOG)[aggregator], server="trackpush/main", server_spec=spec)

    assert url(snapshot) == f"https://hooks.example.com{_ENDS.findall(text)[0]}"
    assert msgspec.to_builtins(snapshot.facts)["key_in_url"] == ("/<key>" in str(url(snapshot)))
