"""Compiles where a value comes from to a function of the scope: paths, joined paths, or a CEL expression."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from trackpush_aggregators.definition.calculation import Calculations
from trackpush_aggregators.definition.faults import InvalidPartError
from trackpush_aggregators.definition.paths import Getter, Scope, Variables, getter, written
from trackpush_aggregators.leftovers import is_empty
from trackpush_aggregators.values import text
from trackpush_api.kinds.aggregator_definition import ValueSource

Read = Callable[[Scope], str | None]
"""The text of a value; None if it is empty."""

ReadValue = Callable[[Any], Any]
"""The value of a field, of whatever type."""


def _nothing(_: Scope) -> str | None:
    return None


nothing: Read = _nothing
"""Reads a field that the definition does not have."""


class Sources:
    """Compiles the sources of one definition."""

    def __init__(self, variables: Variables, calculations: Calculations) -> None:
        self._variables = variables
        self._calculations = calculations

    def text(self, source: ValueSource | None, *, formats: bool = False) -> Read:
        """A function that reads the text of a source.

        Raises:
            InvalidPartError: a path or an expression is wrong, or there are formats although the field is not a time.
        """
        if source is None:
            return nothing
        if source.formats is not None and not formats:
            raise InvalidPartError("is not a time; formats are for occurredAt and estimatedDelivery", ".formats")
        read = self._text(source)
        return read if source.trim is None else _trimmed(read, f" {source.trim}")

    def _text(self, source: ValueSource) -> Read:
        if source.cel is not None:
            return self._calculations.text(source.cel)
        if source.join is not None:
            return _joined([self.path(path, f".join[{number}]") for number, path in enumerate(source.join)])
        return _first([self.path(path) for path in source.candidates])

    def value(self, source: ValueSource) -> Getter:
        """A function that gets the value of a source, of whatever type: the first one that is not empty.

        Raises:
            InvalidPartError: as for `text`.
        """
        if not source.candidates or source.formats is not None or source.trim is not None:
            return self.text(source)
        getters = [self.path(path) for path in source.candidates]
        return lambda scope: next((found for get in getters if not is_empty(found := get(scope))), None)

    def parts(self, source: ValueSource, words: Mapping[str, Read]) -> tuple[Read, ...]:
        """A function for each value of the status; ``words`` are values that do not come from a path.

        Raises:
            InvalidPartError: as for `text`.
        """
        if len(source.candidates) > 1 and source.formats is None:
            return tuple(
                words.get(path) or self.text(ValueSource(path=path, trim=source.trim)) for path in source.candidates
            )
        return (self.text(source),)

    def path(self, path: str, place: str = "") -> Getter:
        """A function that gets the value at a path.

        Raises:
            InvalidPartError: the syntax is wrong, or the variable is unknown.
        """
        try:
            return getter(self._variables.path(path))
        except InvalidPartError as error:
            raise InvalidPartError(str(error), place) from None


def _first(getters: Sequence[Getter]) -> Read:
    """The text of the first value that is not empty."""
    if len(getters) == 1:
        (get,) = getters
        return lambda scope: written(get(scope))

    def first(scope: Scope) -> str | None:
        for each in getters:
            found = written(each(scope))
            if found is not None:
                return found
        return None

    return first


def _trimmed(read: Read, characters: str) -> Read:
    """The text without these characters at its ends."""

    def trimmed(scope: Scope) -> str | None:
        found = read(scope)
        return None if found is None else text(found.strip(characters))

    return trimmed


def _joined(getters: Sequence[Getter]) -> Read:
    """The texts of the values that are not empty, with a space between them."""

    def joined(scope: Scope) -> str | None:
        parts = [part for get in getters if (part := written(get(scope))) is not None]
        return " ".join(parts) or None

    return joined
