"""Reads the files of a folder that have changed, each separately."""

import hashlib
import os
from pathlib import Path

import msgspec

from trackpush_api.manifest import ReadFile, read_file
from trackpush_api.problems import Problem, Severity
from trackpush_server.config.notices import Notices
from trackpush_server.config.walk import FoundFile, read_text, walk

_REVISION_DIGITS = 12


class FileContent(msgspec.Struct, frozen=True, kw_only=True):
    """The result of reading a file."""

    found: FoundFile
    read: ReadFile
    revision: str = ""
    """Changes with the file but reveals nothing of its content; empty if the file can't be read."""

    @property
    def is_whole(self) -> bool:
        """Whether the whole file could be read. Then a resource that is not in it was removed on purpose."""
        return not any(problem.severity is Severity.ERROR for problem in self.read.problems)


class FolderReader:
    """Reads one folder. Not thread-safe."""

    def __init__(self, folder: Path, notices: Notices | None = None, *, prefix: str = "") -> None:
        """Without ``notices``, each `look` scans the folder. ``prefix`` comes before the names of files in problems."""
        self._prefix = prefix
        self._folder = folder
        self._notices = notices
        self._found: tuple[FoundFile, ...] = ()
        self._salt = os.urandom(16)
        """Prevents that somebody guesses passwords by comparing with the revision of a file of Secrets."""
        self._contents: dict[str, FileContent] = {}

    def look(self) -> tuple[FoundFile, ...]:
        """Names and stamps of all files; they change whenever the result of `read` may change.

        Raises:
            OSError: the folder can't be read.
        """
        if self._notices is None or self._notices.may_have_changed():
            self._walk()
        return self._found

    def read(self) -> tuple[FileContent, ...]:
        """All files by name; only the changed ones are read.

        Raises:
            OSError: the folder can't be read.
        """
        contents = [self._content(found) for found in self.look()]
        self._contents = {content.found.name: content for content in contents}
        return tuple(contents)

    def _walk(self) -> tuple[FoundFile, ...]:
        found = tuple(walk(self._folder))
        if found != self._found:  # keep the same object while nothing changed, because comparing it is fast
            self._found = found
        if self._notices is not None:
            self._notices.looked(self._found)
        return self._found

    def _content(self, found: FoundFile) -> FileContent:
        known = self._contents.get(found.name)
        if known is not None and known.found == found and (known.revision or found.trouble):
            return known
        if found.trouble is not None:
            severity = Severity.WARNING if found.is_folder and found.name.endswith((".yaml", ".yml", ".json")) else None
            return self._troubled(found, found.trouble, severity or Severity.ERROR)
        try:
            text = read_text(found)
        except UnicodeDecodeError:
            return self._troubled(found, "is not text in UTF-8; save it as UTF-8")
        except OSError as error:
            return self._troubled(found, f"can't be read ({error.strerror or error}); make it readable")
        digest = hashlib.blake2b(text.encode(), key=self._salt).hexdigest()
        return FileContent(
            found=found, read=read_file(self._prefix + found.name, text), revision=digest[:_REVISION_DIGITS]
        )

    def _troubled(self, found: FoundFile, trouble: str, severity: Severity = Severity.ERROR) -> FileContent:
        name = self._prefix + found.name
        problem = Problem(severity=severity, message=trouble, file=name)
        return FileContent(found=found, read=ReadFile(file=name, problems=(problem,)))
