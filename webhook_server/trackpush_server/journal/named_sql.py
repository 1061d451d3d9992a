"""Loads named statements from .sql files: ``-- name: NAME``, comments that state the purpose, then the statement."""

import functools
import re
from importlib import resources

_HEAD = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)
_PURPOSE = re.compile(r"(?:-- .+\n)+")


@functools.cache
def load(package: str, file: str) -> dict[str, str]:
    """The statements of a file in ``package`` by name, without comments.

    Raises:
        ValueError: a name is duplicate, or a statement has no comment that states its purpose.
    """
    text = resources.files(package).joinpath(f"{file}.sql").read_text(encoding="utf-8")
    _, *parts = _HEAD.split(text)
    found: dict[str, str] = {}
    for name, part in zip(parts[::2], parts[1::2], strict=True):
        purpose = _PURPOSE.match(part)
        if purpose is None:
            raise ValueError(f"{file}.sql: nothing says what {name} is for")
        if name in found:
            raise ValueError(f"{file}.sql: duplicate name {name}")
        found[name] = part[purpose.end() :].strip().removesuffix(";")
    return found
