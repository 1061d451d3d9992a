"""A folder of resource files as a source of routing tables: what `trackpush serve DIR` watches.

Files are read separately, and valid ones take effect at once. `keeping` decides what is served for the others.
"""

import time
from collections.abc import Callable, Hashable, Iterable, Sequence
from pathlib import Path
from typing import Final

from trackpush_aggregators.library import LIBRARY
from trackpush_api.compile import compile_table
from trackpush_api.manifest import ParsedManifest, Resource, join
from trackpush_api.namespaces import Memory
from trackpush_api.problems import Problem, Severity
from trackpush_api.routing import RoutingTable
from trackpush_server.config.keeping import Circumstances, Combined, Served, combine
from trackpush_server.config.notices import Notices
from trackpush_server.config.reader import FileContent, FolderReader
from trackpush_server.config.source import Loaded

GRACE: Final = 5.0
"""Seconds for which a resource is still served after it disappeared from its file, because a save may be unfinished."""
_ACCOUNT, _PUSH, _SERVER = "AggregatorWebhook", "PushConfig", "WebhookServer"
_DEFINITION = "AggregatorDefinition"


class ResourceFolder:
    """The files below a folder, including those behind links. Hidden files (drafts, ``..data``) are ignored."""

    def __init__(
        self,
        folder: Path,
        *,
        server: str | None = None,
        clock: Callable[[], float] = time.monotonic,
        notices: Notices | None = None,
    ) -> None:
        """``server``: ``namespace/name`` of the WebhookServer, if the folder has several. ``clock`` in seconds."""
        self.name = str(folder)
        self._folder = folder
        self._contents: tuple[FileContent, ...] = ()
        self._server = server
        self._clock = clock
        self._reader = FolderReader(folder, notices)
        self._losses = _Losses()
        self._memory = Memory()
        self._good_server: Resource | None = None
        self._table: RoutingTable | None = None
        self._read_whole: set[str] = set()
        self._last: tuple[object, Loaded] | None = None
        """The result of the last reading, with everything that it depends on."""

    def fingerprint(self) -> Hashable:
        """Names, stamps and errors of all files, and the number of lost resources that were removed.

        Raises:
            OSError: the folder can't be read.
        """
        return self._reader.look(), self._losses.give_up(self._clock())

    @property
    def folder(self) -> Path:
        """The folder."""
        return self._folder

    def places_of(self, kind: str, namespace: str, name: str) -> frozenset[str]:
        """The files that define a resource or Secret, as of the last `load`, relative to the folder.

        May be called in any thread.
        """
        wanted = kind, namespace, name
        return frozenset(
            content.found.name
            for content in self._contents
            for defined in content.read.defined
            if defined.identity == wanted
        )

    def load(self) -> Loaded:
        """Read the changed files, and compile; see `Source`."""
        self._contents = contents = self._reader.read()
        basis = contents, self._losses.count
        if self._last is None or self._last[0] != basis:
            self._last = basis, self._compile(contents)
        return self._last[1]

    def _compile(self, contents: Sequence[FileContent]) -> Loaded:
        parsed = join(content.read for content in contents)
        present = {(resource.kind, resource.full_name) for resource in parsed.resources}
        held = self._losses.note(parsed.resources, contents, self._clock())
        compiled = compile_table(
            self._with_server(parsed, held),
            parsed.secrets,
            server=self._server,
            last=None if self._table is None else self._table.server,
            memory=self._memory,
            library=LIBRARY,
        )
        problems = sorted((*parsed.problems, *compiled.problems), key=lambda problem: problem.order)
        errors = [problem for problem in problems if problem.severity is Severity.ERROR]
        if compiled.table is None:
            return Loaded(table=None, problems=tuple(map(str, errors)), warnings=_warnings(problems))
        now = Circumstances(present=present, problems=errors, held=held)
        combined = combine(compiled.table, self._table, now)
        self._take(combined.table)
        assert self._table is not None
        return Loaded(
            table=self._table,
            problems=tuple(_with_consequence(error, combined, self._losses) for error in errors),
            warnings=(*_warnings(problems), *self._losses.warnings),
            kept=tuple(f"{kind} {name}" for kind, name in combined.kept),
            complete=self._is_complete(contents, errors, combined),
            revisions={content.found.name: content.revision for content in contents if content.revision},
        )

    def _take(self, table: RoutingTable) -> None:
        """Reuse the previous table object if nothing changed."""
        if self._table is None or table.revision != self._table.revision:
            self._table = table

    def _with_server(self, parsed: ParsedManifest, held: set[Served]) -> Sequence[Resource]:
        """All resources, with the last good version of a WebhookServer that is invalid or missing."""
        last = self._good_server
        servers = {resource.full_name: resource for resource in parsed.resources if resource.kind == _SERVER}
        others = [resource for resource in parsed.resources if resource.kind != _SERVER]
        if last is not None:
            found = servers.get(last.full_name)
            if (found is None and (_SERVER, last.full_name) in held) or (found is not None and found.spec is None):
                servers[last.full_name] = last
        good = [
            server
            for server in servers.values()
            if server.spec is not None and self._server in {None, server.full_name}
        ]
        if len(good) == 1:
            (self._good_server,) = good
        return [*servers.values(), *others]

    def _is_complete(self, contents: Iterable[FileContent], errors: Iterable[Problem], combined: Combined) -> bool:
        """Whether every key is known. False while a file or an account was never read completely."""
        self._read_whole |= {content.found.name for content in contents if content.is_whole}
        accounts = {account.name for account in combined.table.accounts}
        unknown = [error for error in errors if _is_unknown_account(error, accounts)]
        return not unknown and all(
            content.found.name in self._read_whole for content in contents if not content.found.is_folder
        )


class _Losses:
    """Resources that were in a file before and are in no file now."""

    def __init__(self) -> None:
        self.warnings: tuple[str, ...] = ()
        self.count = 0
        """Number of resources removed so far."""
        self._files: dict[Served, str] = {}
        """The last file of each resource."""
        self._since: dict[Served, float] = {}
        self._given_up: set[Served] = set()

    def file_of(self, title: Served) -> str | None:
        """The last file of a resource."""
        return self._files.get(title)

    def give_up(self, now: float) -> int:
        """Remove resources that have been missing for `GRACE`; returns the number so far."""
        for title, since in self._since.items():
            if now - since >= GRACE and title not in self._given_up:
                self._given_up.add(title)
                self.count += 1
        return self.count

    def note(self, resources: Iterable[Resource], contents: Iterable[FileContent], now: float) -> set[Served]:
        """Record the resources found now; returns the missing ones that are still served."""
        present = {(resource.kind, resource.full_name): resource.file or "" for resource in resources}
        self._files |= present
        self._since = {title: since for title, since in self._since.items() if title not in present}
        self._given_up -= present.keys()
        broken = [content.found for content in contents if not content.is_whole]
        held: set[Served] = set()
        warnings: list[str] = []
        for title, file in list(self._files.items()):
            if title in present:
                continue
            if any(entry.name == file or (entry.is_folder and file.startswith(f"{entry.name}/")) for entry in broken):
                # the grace period starts when the file can be read completely, or is deleted
                self._since.pop(title, None)
                self._given_up.discard(title)
                held.add(title)
            elif title in self._given_up:
                del self._files[title], self._since[title]
                self._given_up.discard(title)
            else:
                self._since.setdefault(title, now)
                held.add(title)
                kind, name = title
                then = "it is removed unless a resource names it" if kind == _DEFINITION else "it is removed"
                warnings.append(f"{file}: warning: {kind} {name}: is no longer in its file; {then} after {GRACE:.0f} s")
        self.warnings = tuple(sorted(warnings))
        return held


def _warnings(problems: Iterable[Problem]) -> tuple[str, ...]:
    return tuple(str(problem) for problem in problems if problem.severity is Severity.WARNING)


def _is_unknown_account(problem: Problem, served: set[str]) -> bool:
    kind, _, name = (problem.resource or "").partition(" ")
    return kind == _ACCOUNT and name not in served and problem.reason is not None


def _with_consequence(problem: Problem, combined: Combined, losses: _Losses) -> str:
    """The problem, with a note on what is served until it is solved."""
    kind, _, name = (problem.resource or "").partition(" ")
    if (kind, name) in combined.kept:
        return f"{problem} (until then its previous version is served)"
    if kind == _DEFINITION:
        is_kept = any(definition.name == name.partition("/")[2] for definition in combined.table.server.definitions)
        return f"{problem} (until then {'its previous version is served' if is_kept else 'it is not used'})"
    if kind == _PUSH and name not in combined.table.destination_by_name:
        return f"{problem} (until then its pushes wait)"
    if kind == _ACCOUNT and all(account.name != name for account in combined.table.accounts):
        return f"{problem} (until then it is not served)"
    if problem.file is not None and any(losses.file_of(title) == problem.file for title in combined.kept):
        return f"{problem} (until then the previous content of the file is served)"
    return str(problem)
