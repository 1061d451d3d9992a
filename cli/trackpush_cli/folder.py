"""A folder of resource files → routing table and problems: what `serve`, `check` and the demo read."""

from pathlib import Path

from trackpush_api.compile import Compiled, compile_table
from trackpush_api.manifest import parse_manifests
from trackpush_api.problems import Problem, Severity
from trackpush_api.routing import RoutingTable

_SUFFIXES = {".yaml", ".yml", ".json"}


def read_folder(folder: Path) -> tuple[dict[str, str], tuple[Problem, ...]]:
    """The text of all resource files below a folder by relative path (hidden ones aside), and what can't be read."""
    files: dict[str, str] = {}
    problems = []
    if not folder.is_dir():
        return {}, (Problem(message=f"{folder} is no folder; name one that holds the resources (*.yaml)"),)
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.suffix not in _SUFFIXES or any(part.startswith(".") for part in name.parts) or not path.is_file():
            continue
        try:
            files[str(name)] = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            problems.append(Problem(file=str(name), message=f"can't be read: {error}"))
    return files, tuple(problems)


def compile_all(folder: Path, *, server: str | None) -> Compiled:
    """Read and compile; problems of all three steps together."""
    files, unreadable = read_folder(folder)
    if not files:
        empty = Problem(message=f"{folder} holds no *.yaml; put the resources there")
        return Compiled(table=None, problems=unreadable or (empty,))
    parsed = parse_manifests(files)
    compiled = compile_table(parsed.resources, parsed.secrets, server=server)
    problems = sorted((*unreadable, *parsed.problems, *compiled.problems), key=lambda problem: problem.order)
    return Compiled(table=compiled.table, problems=tuple(problems))


def compile_folder(folder: Path, *, server: str | None) -> tuple[RoutingTable | None, tuple[str, ...]]:
    """The table of a folder, and its errors, a line each (warnings are `trackpush check`'s)."""
    compiled = compile_all(folder, server=server)
    errors = tuple(str(problem) for problem in compiled.problems if problem.severity is Severity.ERROR)
    return compiled.table, errors
