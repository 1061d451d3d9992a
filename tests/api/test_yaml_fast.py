"""libyaml reads the same as PyYAML's own reader, and leaves to it what it can't read the same."""

import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from trackpush_aggregators.catalog import catalog_names, catalog_text
from trackpush_api import yaml_fast, yaml_reader
from trackpush_api.manifest import parse_manifests
from trackpush_api.yaml_fast import read_plain

SAMPLES = sorted((Path(__file__).parents[2] / "manifests/samples").glob("*.yaml"))
# Not "?": within { } and [ ], libyaml (and Kubernetes) takes it as a part of a text, and PyYAML refuses it.
PIECES = (
    *(
        "\t",
        "*",
        "*a",
        "&a ",
        "&",
        "[",
        "]",
        "{",
        "}",
        '"',
        "'",
        ": ",
        "- ",
        "\n",
        "\n\n",
        "#",
        "|",
        ">-",
        "!!str ",
        "%",
        "---",
    ),
    *(
        "...",
        "é",
        "🚚",
        "\x85",
        "\u2028",
        "\ufeff",
        "\r",
        "\r\n",
        "<<: ",
        "= ",
        "1e3",
        "0o7",
        "2026-01-02",
        "~",
        " ",
        ",",
    ),
)
DEEP = {"flow": "[", "closed flow": "[]", "blocks": "- ", "keys": "? "}


def _lines(node: Any) -> Iterator[tuple[str, int]]:
    # Where nothing is, "here" is a matter of taste.
    yield type(node).__name__, node.start_mark.line if node.value else 0
    if isinstance(node, yaml.SequenceNode):
        for entry in node.value:
            yield from _lines(entry)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _lines(key)
            yield from _lines(value)


def _carefully(text: str) -> list[tuple[str, list[tuple[str, int]]]]:
    return [(repr(document.value), list(_lines(document.node))) for document in yaml_reader._read_carefully(text)]


def test_the_samples_are_read_by_libyaml() -> None:
    assert yaml.__with_libyaml__
    assert len(SAMPLES) > 2
    assert all(read_plain(sample.read_text()) for sample in SAMPLES)


def test_every_definition_of_the_catalog_is_read_by_libyaml() -> None:
    assert [name for name in catalog_names() if read_plain(catalog_text(name) or "") is None] == []


@pytest.mark.parametrize(
    "text", ["a: &b 1\nc: *b", "[&b 1, *b]", '{"a":&b 1,"c":*b}', "&b a: 1\n*b : 2", "? *b\n", "*b", "- *b"]
)
def test_an_alias_is_left_to_pyyaml(text: str) -> None:
    assert read_plain(text) is None


def test_whatever_libyaml_reads_is_read_with_the_same_values_and_lines_by_pyyaml() -> None:
    seed = random.randrange(1_000_000)  # noqa: S311  not for secrets
    sys.stdout.write(f"seed {seed}\n")
    chance = random.Random(seed)  # noqa: S311  same
    for _ in range(400):
        text = chance.choice(SAMPLES).read_text()
        for _ in range(chance.randrange(1, 4)):
            place = chance.randrange(len(text))
            text = text[:place] + chance.choice(PIECES) + text[place + chance.choice((0, 0, 1, 5)) :]
        plain = read_plain(text)
        if plain is not None:
            assert [(repr(document.value), list(_lines(document.node))) for document in plain] == _carefully(text)


@pytest.mark.slow
@pytest.mark.parametrize("shape", DEEP)
@pytest.mark.parametrize("levels", [250, 5_000, 100_000])
def test_a_deeply_nested_file_is_refused_and_ends_nothing(shape: str, levels: int) -> None:
    opened = DEEP[shape]
    text = "[" * levels + "]" * levels if opened == "[]" else opened * levels + "a"

    assert read_plain(text) is None
    if levels > 1_000:
        assert parse_manifests({"acme.yaml": text}).problems


def test_without_libyaml_everything_is_read_too(monkeypatch: pytest.MonkeyPatch) -> None:
    text = SAMPLES[0].read_text()
    fast = parse_manifests({"a.yaml": text})
    monkeypatch.setattr(yaml_fast, "CSafeLoader", None)

    slow = parse_manifests({"a.yaml": text})

    assert read_plain(text) is None
    assert [(resource.title, resource.spec, resource.place) for resource in slow.resources] == [
        (resource.title, resource.spec, resource.place) for resource in fast.resources
    ]
    assert slow.secrets == fast.secrets
