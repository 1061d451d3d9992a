"""Loads schema migrations: SQL files named ``NNNN_name.sql`` in a package, applied in order."""

import re
from importlib import resources
from typing import Final

import msgspec

_NUMBERED: Final = re.compile(r"(\d{4})_(\w+)\.sql")


class NewerSchemaError(Exception):
    """The schema is newer than the newest one that this version of Trackpush supports."""


class NumberedScript(msgspec.Struct, frozen=True):
    """One migration file."""

    number: int
    name: str
    text: str


def numbered_scripts(package: str) -> tuple[NumberedScript, ...]:
    """The migrations of a package, in order."""
    found = []
    for entry in resources.files(package).iterdir():
        match = _NUMBERED.fullmatch(entry.name)
        if match is not None:
            found.append(NumberedScript(int(match[1]), match[2], entry.read_text(encoding="utf-8")))
    return tuple(sorted(found, key=lambda script: script.number))
