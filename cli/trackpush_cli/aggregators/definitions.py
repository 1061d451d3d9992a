"""Finds the definitions that a command names: files with resources, or names of the catalog."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from trackpush_aggregators.catalog import catalog_names, catalog_text
from trackpush_api.kinds.aggregator_definition import AggregatorDefinitionSpec
from trackpush_api.manifest import Resource, read_file
from trackpush_api.problems import Problem, Severity
from trackpush_api.suggestions import did_you_mean
from trackpush_cli.errors import CommandError

KIND = "AggregatorDefinition"


class NamedDefinition(NamedTuple):
    """One definition, its resource, and what is wrong with its form. Without a spec there are problems."""

    resource: Resource
    problems: tuple[Problem, ...] = ()

    @property
    def name(self) -> str:
        return self.resource.name

    @property
    def spec(self) -> AggregatorDefinitionSpec | None:
        spec = self.resource.spec
        return spec if isinstance(spec, AggregatorDefinitionSpec) else None


def find_definitions(given: Sequence[str]) -> list[NamedDefinition]:
    """The definitions in these files, or of these names in the catalog; all of the catalog if none is given.

    Raises:
        CommandError: there is no such file or name, or a file contains no definition.
    """
    if not given:
        return [definition for name in catalog_names() for definition in _of_catalog(name)]
    return [definition for each in given for definition in _find(each)]


def find_definition(given: str) -> NamedDefinition:
    """The only definition of a file, or the one of this name in the catalog.

    Raises:
        CommandError: there is none, or there are several.
    """
    found = _find(given)
    if len(found) > 1:
        names = ", ".join(definition.name for definition in found)
        raise CommandError(f"{given} contains several definitions ({names}); write each into its own file")
    return found[0]


def definitions_at(place: Path) -> list[NamedDefinition]:
    """The definitions in a file, or in the files below a folder, whose other resources don't matter.

    Raises:
        CommandError: there is no such file or folder, or it contains no definition.
    """
    if not place.is_dir():
        return _of_file(str(place))
    from trackpush_cli.folder import read_folder  # noqa: PLC0415  only here, for a fast start

    read = read_folder(place)
    errors = [problem for problem in read.problems if problem.severity is Severity.ERROR]
    found = _made((each for each in read.resources if each.kind == KIND), errors)
    if not found:
        raise CommandError(f"{place} contains no {KIND}", *map(str, errors))
    return found


def _find(given: str) -> list[NamedDefinition]:
    if given in catalog_names():
        return _of_catalog(given)
    path = Path(given)
    if not path.exists() and "/" not in given and not given.endswith((".yaml", ".yml")):
        raise CommandError(f"there is no definition {given!r} in the catalog{did_you_mean(given, catalog_names())}")
    return _of_file(given)


def _of_file(given: str) -> list[NamedDefinition]:
    try:
        found = _of_text(given, Path(given).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise CommandError(f"{given}: {reason}; name a YAML file, or a definition of the catalog") from None
    if not found:
        raise CommandError(f"{given} contains no {KIND}")
    return found


def _of_catalog(name: str) -> list[NamedDefinition]:
    return _of_text(f"{name}.yaml", catalog_text(name) or "")


def _of_text(file: str, text: str) -> list[NamedDefinition]:
    read = read_file(file, text)
    resources = [entry.content for entry in read.defined if isinstance(entry.content, Resource)]
    definitions = [resource for resource in resources if resource.kind == KIND]
    errors = [problem for problem in read.problems if problem.severity is Severity.ERROR]
    made = _made(definitions, errors)
    others = [problem for problem in errors if problem.resource is None or not made]
    if others:
        raise CommandError(*map(str, others))
    return made


def _made(definitions: Iterable[Resource], errors: Sequence[Problem]) -> list[NamedDefinition]:
    return [NamedDefinition(each, tuple(_of_resource(errors, each.title))) for each in definitions]


def _of_resource(problems: Iterable[Problem], title: str) -> Iterator[Problem]:
    return (problem for problem in problems if problem.resource == title)
