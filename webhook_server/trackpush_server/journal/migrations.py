"""Numbered schema changes: SQL files called ``NNNN_name.sql`` in a package, applied in order."""

import re
from importlib import resources
from typing import Final

import msgspec

_NUMBERED: Final = re.compile(r"(\d{4})_(\w+)\.sql")


class NewerSchemaError(Exception):
    """A later version of Trackpush has changed the schema, and this one does not know how to use it."""


class NumberedScript(msgspec.Struct, frozen=True):
    """One file."""

    number: int
    name: str
    text: str


def numbered_scripts(package: str) -> tuple[NumberedScript, ...]:
    """The schema changes of a package, in order."""
    found = []
    for entry in resources.files(package).iterdir():
        match = _NUMBERED.fullmatch(entry.name)
        if match is not None:
            found.append(NumberedScript(int(match[1]), match[2], entry.read_text(encoding="utf-8")))
    return tuple(sorted(found, key=lambda script: script.number))
