"""Compiles a folder of resource files to a routing table and problems.

`check`, `doctor` and the demo read the folder in the same way as `serve`.
"""

import contextlib
import gc
from collections.abc import Iterator
from pathlib import Path

from trackpush_aggregators.library import LIBRARY
from trackpush_api.compile import Compiled, compile_table
from trackpush_api.manifest import ParsedManifest, join
from trackpush_api.problems import Problem, Severity
from trackpush_api.routing import RoutingTable
from trackpush_cli.errors import CommandError
from trackpush_server.config.reader import FolderReader


def read_folder(folder: Path) -> ParsedManifest:
    """All resources below a folder.

    Raises:
        CommandError: there is no such folder, or it can't be read.
    """
    try:
        contents = FolderReader(folder).read()
    except OSError as error:
        message = f"{folder}: {error.strerror}; name a folder that holds the resources (*.yaml)"
        raise CommandError(message) from None
    parsed = join(content.read for content in contents)
    if contents:
        return parsed
    empty = Problem(message=f"{folder} holds no *.yaml; put the resources there")
    return ParsedManifest(resources=(), secrets={}, problems=(empty,))


def compile_all(folder: Path, *, server: str | None) -> Compiled:
    """Read and compile; problems of both steps together.

    Raises:
        CommandError: see `read_folder`.
    """
    with _uncollected():
        parsed = read_folder(folder)
        compiled = compile_table(parsed.resources, parsed.secrets, server=server, library=LIBRARY)
    problems = sorted((*parsed.problems, *compiled.problems), key=lambda problem: problem.order)
    return Compiled(table=compiled.table, problems=tuple(problems))


def compile_folder(folder: Path, *, server: str | None) -> tuple[RoutingTable | None, tuple[str, ...]]:
    """The table of a folder, and its errors, one line each, without warnings."""
    compiled = compile_all(folder, server=server)
    errors = tuple(str(problem) for problem in compiled.problems if problem.severity is Severity.ERROR)
    return compiled.table, errors


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Switch the garbage collector off, because with thousands of files it would scan everything repeatedly."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
