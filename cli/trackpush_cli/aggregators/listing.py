"""What `trackpush aggregators list` and `show` print."""

from collections.abc import Iterator
from typing import Any, Final

from trackpush_aggregators import BUILT_IN
from trackpush_aggregators.catalog import CATALOG, catalog_names, catalog_spec, catalog_text
from trackpush_aggregators.described import authentication, built_in_authentication
from trackpush_api.aggregators import profile
from trackpush_api.suggestions import did_you_mean
from trackpush_api.vocabulary import Aggregator
from trackpush_cli.errors import CommandError

COLUMNS: Final = ("NAME", "PATH", "FROM", "AUTHENTICATION", "SAMPLES")

_MEMBERS: Final = tuple(map(str.lower, COLUMNS))


def known_aggregators() -> list[dict[str, Any]]:
    """The built-in aggregators and the catalog; members in the order of `COLUMNS`."""
    return [*_built_in(), *_of_catalog()]


def _built_in() -> Iterator[dict[str, Any]]:
    for name in Aggregator:
        yield _row(name.value, profile(name).path_segment, "built in", built_in_authentication(name), "")


def _of_catalog() -> Iterator[dict[str, Any]]:
    for name, definition in CATALOG.items():
        spec = catalog_spec(name)
        samples = 0 if spec is None else len(spec.samples)
        yield _row(name, definition.path, "catalog", authentication(definition), samples)


def _row(*values: str | int) -> dict[str, Any]:
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
