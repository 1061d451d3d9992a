"""The aggregators that a server knows, and the codes that arrived as UNKNOWN with the row to paste.

Pure, except that it reads the files of the catalog.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any, Literal

import msgspec
import yaml

from trackpush_aggregators.catalog import catalog_spec, catalog_text
from trackpush_aggregators.definition.unknown_row import unknown_row
from trackpush_aggregators.described import authentication, built_in_authentication
from trackpush_aggregators.updates import rfc3339
from trackpush_api.aggregators import profile
from trackpush_api.routing import Definition, RoutingTable, namespace_of
from trackpush_api.vocabulary import Aggregator, slug_of
from trackpush_server.admin import masking
from trackpush_server.definitions import definitions_in_use
from trackpush_server.telemetry.unknown_codes import CodeCounts, UnknownCode

Origin = Literal["built in", "catalog", "AggregatorDefinition"]


class KnownAggregator(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One aggregator."""

    name: str
    path: str
    """Segment of the URL."""
    origin: Origin
    authentication: str
    samples: tuple[str, ...] | None
    """Names of the samples; null if the server does not have them: it gets AggregatorDefinitions without samples."""
    samples_command: str | None
    """A command that prints the samples."""


class AggregatorList(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A page of aggregators by name, starting after the aggregator ``after``."""

    aggregators: tuple[KnownAggregator, ...]
    after: str | None


class CountedCode(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One code that arrived as UNKNOWN. Texts that do not look like codes are masked for the role view."""

    aggregator: str
    code: str | None
    label: str | None
    """The aggregator's words in the latest update."""
    count: int
    first_at: str
    last_at: str
    row: str | None
    """A line of YAML for the table of the definition; null for built-in aggregators, and if the code is masked."""


class CountedCodes(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The codes that arrived as UNKNOWN, most frequent first."""

    since: str
    """Start of the count, which is the start of the server."""
    codes: tuple[CountedCode, ...]
    total: int
    """Number of codes that are remembered, 1,000 at most."""
    forgotten: int
    """Updates whose rare codes were dropped because there were too many different ones."""
    masked: bool


class ShownSample(msgspec.Struct, frozen=True, kw_only=True):
    """One sample of the catalog."""

    name: str
    body: Any
    expect: tuple[dict[str, Any], ...]


class ShownAggregator(msgspec.Struct, frozen=True, kw_only=True):
    """One aggregator, with its definition as YAML and the samples of the catalog."""

    known: KnownAggregator
    definition: str | None
    """None for a built-in aggregator."""
    samples: tuple[ShownSample, ...]


def known_aggregators(table: RoutingTable | None, *, after: str = "", limit: int) -> AggregatorList:
    """The aggregators whose names are greater than ``after``; ``table`` is the served one."""
    found = sorted(_all(table), key=lambda known: known.name)
    page = tuple(islice((known for known in found if known.name > after), limit))
    return AggregatorList(aggregators=page, after=page[-1].name if len(page) == limit else None)


def shown_aggregator(table: RoutingTable | None, name: str) -> ShownAggregator | None:
    """One aggregator; None if there is none of this name."""
    known = next((known for known in _all(table) if known.name == name), None)
    if known is None:
        return None
    if known.origin == "catalog":
        spec = catalog_spec(name)
        samples = () if spec is None else tuple(spec.samples)
        shown = tuple(ShownSample(name=each.name, body=each.body, expect=tuple(each.expect)) for each in samples)
        return ShownAggregator(known=known, definition=catalog_text(name), samples=shown)
    given = {} if table is None else {definition.name: definition for definition in table.server.definitions}
    text = None if known.origin == "built in" else _yaml(given[name])
    return ShownAggregator(known=known, definition=text, samples=())


def counted_codes(counted: CodeCounts, *, aggregator: str | None = None, limit: int, plain: bool) -> CountedCodes:
    """The most frequent codes; ``plain`` shows texts that may contain personal data."""
    found = [code for code in counted.codes if aggregator in {None, code.aggregator}]
    return CountedCodes(
        since=rfc3339(counted.since),
        codes=tuple(_code(code, plain=plain) for code in found[:limit]),
        total=len(found),
        forgotten=counted.forgotten,
        masked=not plain,
    )


def _code(code: UnknownCode, *, plain: bool) -> CountedCode:
    values = code.values if plain else tuple(map(masking.code, code.values))
    shown = code.code if plain else masking.code(code.code)
    if code.code is not None and values:
        shown = "/".join(values)
    row = unknown_row(values, code.label if plain else None) if values and masking.MASK not in values else None
    return CountedCode(
        aggregator=code.aggregator,
        code=shown,
        label=code.label if plain or not code.label else masking.MASK,
        count=code.count,
        first_at=rfc3339(code.first_at),
        last_at=rfc3339(code.last_at),
        row=row,
    )


def _all(table: RoutingTable | None) -> Iterator[KnownAggregator]:
    for built_in in Aggregator:
        yield KnownAggregator(
            name=slug_of(built_in),
            path=profile(built_in).path_segment,
            origin="built in",
            authentication=built_in_authentication(built_in),
            samples=(),
            samples_command=None,
        )
    given = () if table is None else table.server.definitions
    names = {definition.name for definition in given}
    namespace = "" if table is None else namespace_of(table.server.name)
    for name, definition in definitions_in_use(given).items():
        yield _given(definition, namespace) if name in names else _of_catalog(definition)


def _given(definition: Definition, namespace: str) -> KnownAggregator:
    return KnownAggregator(
        name=definition.name,
        path=definition.path,
        origin="AggregatorDefinition",
        authentication=authentication(definition),
        samples=None,
        samples_command=f"kubectl -n {namespace} get aggregatordefinition {definition.name} -o yaml",
    )


def _of_catalog(definition: Definition) -> KnownAggregator:
    spec = catalog_spec(definition.name)
    return KnownAggregator(
        name=definition.name,
        path=definition.path,
        origin="catalog",
        authentication=authentication(definition),
        samples=() if spec is None else tuple(sample.name for sample in spec.samples),
        samples_command=f"trackpush aggregators show {definition.name}",
    )


def _yaml(definition: Definition) -> str:
    """The definition as a resource without samples, in ASCII."""
    resource = {
        "apiVersion": "trackpush.dev/v1alpha1",
        "kind": "AggregatorDefinition",
        "metadata": {"name": definition.name},
        "spec": msgspec.json.decode(definition.spec),
    }
    return yaml.safe_dump(resource, sort_keys=False, width=120)
