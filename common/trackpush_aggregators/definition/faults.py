"""Mistakes in a definition, each with the field that contains it."""

from collections.abc import Callable
from typing import TypeVar

import msgspec


class DefinitionFault(msgspec.Struct, frozen=True):
    """A mistake: the field, as in ``spec.fields.awb``, and a message that says what was found and what to do."""

    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


class InvalidDefinitionError(Exception):
    """The definition can't be used; ``faults`` has all mistakes that were found."""

    def __init__(self, faults: tuple[DefinitionFault, ...]) -> None:
        super().__init__("; ".join(map(str, faults)))
        self.faults = faults


class InvalidPartError(ValueError):
    """A part of a definition has a mistake; the caller knows its field.

    ``place`` is where in the part: ``.paths[1]``.
    """

    def __init__(self, message: str, place: str = "") -> None:
        super().__init__(message)
        self.place = place


_Made = TypeVar("_Made")


class FaultList:
    """Collects the mistakes of all parts, so that an author sees them at once."""

    def __init__(self) -> None:
        self.found: list[DefinitionFault] = []

    def add(self, field: str, message: str) -> None:
        self.found.append(DefinitionFault(field, message))

    def attempt(self, field: str, make: Callable[[], _Made], otherwise: _Made) -> _Made:
        """What ``make`` returns; if it finds a mistake, the mistake is collected."""
        try:
            return make()
        except InvalidPartError as error:
            self.add(f"{field}{error.place}", str(error))
            return otherwise
