"""The generated definitions: current, structural, and as the models are."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from trackpush_api.crdgen import definitions
from trackpush_api.kinds import patterns

ROOT = Path(__file__).parents[2]


def nodes(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    if "items" in schema:
        yield from nodes(schema["items"], f"{path}[]")
    if isinstance(schema.get("additionalProperties"), dict):
        yield from nodes(schema["additionalProperties"], f"{path}.*")


@pytest.mark.parametrize("name", sorted(definitions()))
def test_the_checked_in_definition_is_current(name: str) -> None:
    assert yaml.safe_load((ROOT / "crds" / name).read_text()) == definitions()[name], "run `make crds`"


def test_each_form_of_a_text_has_words_for_whoever_wrote_another_one() -> None:
    found = {
        rule["message"]
        for definition in definitions().values()
        for version in definition["spec"]["versions"]
        for _, node in nodes(version["schema"]["openAPIV3Schema"])
        for rule in node.get("x-kubernetes-validations", ())
    }
    assert found >= {f"write {words}" for words in patterns.WORDS.values()}


@pytest.mark.parametrize("name", sorted(definitions()))
def test_the_schema_is_structural_and_bounded(name: str) -> None:
    (version,) = definitions()[name]["spec"]["versions"]
    for path, node in nodes(version["schema"]["openAPIV3Schema"]):
        assert node.keys() & {"type", "enum", "x-kubernetes-preserve-unknown-fields"}, path
        assert not {"$ref", "anyOf", "oneOf", "allOf", "title", "exclusiveMinimum"} & node.keys(), path
        if node.get("type") == "array":
            assert "maxItems" in node, path
        if node.get("type") == "string" and path.startswith(".spec") and "enum" not in node:
            assert "maxLength" in node, path
        for rule in node.get("x-kubernetes-validations", []):
            assert rule["rule"]
            assert rule["message"]


@pytest.mark.parametrize("name", sorted(definitions()))
def test_every_field_of_a_spec_is_described(name: str) -> None:
    (version,) = definitions()[name]["spec"]["versions"]
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    for path, node in nodes(spec):
        for field, child in node.get("properties", {}).items():
            assert child.get("description"), f"{path}.{field}"
