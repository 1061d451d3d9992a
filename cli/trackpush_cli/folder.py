"""Compiles a folder of resource files to a routing table and problems.

`check`, `doctor` and the demo read the folder in the same way as `serve`.
"""

import contextlib
import gc
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from trackpush_aggregators.library import LIBRARY
from trackpush_api.compile import Compiled, compile_table
from trackpush_api.manifest import ParsedManifest, join, read_file
from trackpush_api.problems import Problem, Severity
from trackpush_api.routing import RoutingTable
from trackpush_cli.errors import CommandError
from trackpush_server.config.reader import FolderReader


def read_resources(place: Path) -> ParsedManifest:
    """All resources of a folder, of one file, or of standard input (``-``). Problems name files as a shell would.

    Raises:
        CommandError: there is no such folder or file, or it can't be read.
    """
    if str(place) == "-":
        data = sys.stdin.buffer.read()
        name = "standard input"
    elif place.is_file():
        try:
            data = place.read_bytes()
        except OSError as error:
            raise CommandError(f"{place}: {error.strerror}") from None
        name = str(place)
    else:
        return read_folder(place, prefix="" if place == Path() else f"{place}/")
    try:
        return join([read_file(name, data.decode("utf-8-sig"))])
    except UnicodeDecodeError:
        problem = Problem(message="is not text in UTF-8; save it as UTF-8", file=name)
        return ParsedManifest(resources=(), secrets={}, problems=(problem,))


def read_folder(folder: Path, *, prefix: str = "") -> ParsedManifest:
    """All resources below a folder. ``prefix`` comes before the names of files in problems.

    Raises:
        CommandError: there is no such folder, or it can't be read.
    """
    try:
        contents = FolderReader(folder, prefix=prefix).read()
    except OSError as error:
        message = f"{folder}: {error.strerror}; name a folder that holds the resources (*.yaml)"
        raise CommandError(message) from None
    parsed = join(content.read for content in contents)
    if contents:
        return parsed
    empty = Problem(message=f"{folder} holds no *.yaml; put the resources there")
    return ParsedManifest(resources=(), secrets={}, problems=(empty,))


def compile_all(folder: Path, *, server: str | None, read: Callable[[Path], ParsedManifest] = read_folder) -> Compiled:
    """Read and compile; problems of both steps together.

    Raises:
        CommandError: see `read_folder`.
    """
    with _uncollected():
        parsed = read(folder)
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
