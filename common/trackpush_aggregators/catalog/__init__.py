"""The definitions that are part of the program: a YAML file each, with samples, and a page each in docs/aggregators.

Each file is read when its definition is needed, and once per process.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final

import yaml

from trackpush_api.aggregators.defined import definition_of
from trackpush_api.kinds.aggregator_definition import AggregatorDefinitionSpec
from trackpush_api.routing import Definition
from trackpush_api.vocabulary import AggregatorName

_FOLDER: Final = files(__name__)
_ENDING: Final = ".yaml"
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The files are our own, so nothing has to be explained: libyaml reads them ten times as fast."""


@lru_cache(maxsize=1)
def catalog_names() -> tuple[AggregatorName, ...]:
    """The names of all definitions, sorted."""
    found = (file.name for file in _FOLDER.iterdir())
    return tuple(sorted(name.removesuffix(_ENDING) for name in found if name.endswith(_ENDING)))


def catalog_text(name: AggregatorName) -> str | None:
    """The file of a definition, an AggregatorDefinition in YAML; None if the catalog has none of this name."""
    return (_FOLDER / f"{name}{_ENDING}").read_text(encoding="utf-8") if name in catalog_names() else None


@lru_cache(maxsize=64)
def catalog_spec(name: AggregatorName) -> AggregatorDefinitionSpec | None:
    """The spec of a definition with its samples; None if the catalog has none of this name."""
    text = catalog_text(name)
    if text is None:
        return None
    resource: dict[str, Any] = yaml.load(text, Loader=_LOADER)  # noqa: S506  both are safe loaders
    return AggregatorDefinitionSpec.model_validate(resource["spec"])


class LazyCatalog(Mapping[AggregatorName, Definition]):
    """The catalog's definitions, each read when it is first needed: most commands need none."""

    def __getitem__(self, name: AggregatorName) -> Definition:
        return _definition(name)

    def __iter__(self) -> Iterator[AggregatorName]:
        return iter(catalog_names())

    def __len__(self) -> int:
        return len(catalog_names())

    def __contains__(self, name: object) -> bool:
        return name in catalog_names()


@lru_cache(maxsize=64)
def _definition(name: AggregatorName) -> Definition:
    spec = catalog_spec(name)
    if spec is None:
        raise KeyError(name)
    return definition_of(name, spec)


CATALOG: Final = LazyCatalog()
