"""What `trackpush aggregators list` and `show` print."""

from collections.abc import Iterator
from typing import Any, Final

from trackpush_aggregators import BUILT_IN
from trackpush_aggregators.catalog import catalog_names, catalog_spec, catalog_text
from trackpush_aggregators.described import authentication, built_in_authentication
from trackpush_api.aggregators import profile
from trackpush_api.aggregators.defined import definition_of
from trackpush_api.kinds.aggregator_definition import AggregatorDefinitionSpec
from trackpush_api.suggestions import did_you_mean
from trackpush_api.vocabulary import Aggregator
from trackpush_cli.errors import CommandError

COLUMNS: Final = ("NAME", "PATH", "FROM", "AUTHENTICATION", "SAMPLES")

_MEMBERS: Final = tuple(map(str.lower, COLUMNS))


def known_aggregators() -> list[dict[str, Any]]:
    """The built-in aggregators and the catalog; members in the order of `COLUMNS`."""
    shipped = ((name, catalog_spec(name)) for name in catalog_names())
    return [*_built_in(), *(_row(name, spec) for name, spec in shipped if spec is not None)]


def _built_in() -> Iterator[dict[str, Any]]:
    for name in Aggregator:
        yield {
            "name": str(name),
            "path": profile(name).path_segment,
            "from": "built in",
            "authentication": built_in_authentication(name),
            "samples": "",
        }


def _row(name: str, spec: AggregatorDefinitionSpec) -> dict[str, Any]:
    values = (name, spec.path, "catalog", authentication(definition_of(name, spec)), len(spec.samples))
    return dict(zip(_MEMBERS, values, strict=True))


def text_of_definition(name: str) -> str:
    """The file of a definition of the catalog.

    Raises:
        CommandError: there is none.
    """
    if name in {built_in.lower() for built_in in BUILT_IN} | set(BUILT_IN):
        raise CommandError(f"{name} is built in: it is code, and has no definition")
    text = catalog_text(name)
    if text is None:
        raise CommandError(f"there is no definition {name!r} in the catalog{did_you_mean(name, catalog_names())}")
    return text
