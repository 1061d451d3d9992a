"""Writes a change into a folder of resources: one file ``portal/CLIENT/NAME.yaml`` for each PushConfig.

The file has credentials, so only the server's user can read it. It is written beside and renamed, so that no reload
reads half of it. A PushConfig or Secret of the same name in another file belongs to whoever wrote that file.
"""

import base64
import binascii
import contextlib
import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from trackpush_api.portal_change import (
    ChangeManifests,
    ChangeRefusedError,
    CurrentCredentials,
    PortalChange,
    current_in,
    secret_name,
)
from trackpush_api.portal_label import is_portals

FOLDER: Final = "portal"
_ABOUT: Final = "# Written by the portal, which replaces this file at the next change.\n"
_MOST_BYTES: Final = 1024 * 1024
Documents = Mapping[str, Mapping[str, Any]]
"""The documents of a file, by kind."""


class PortalFolder:
    """The part of a folder of resources that the portal writes. All methods block: call them in a thread."""

    def __init__(self, folder: Path, places_of: Callable[[str, str, str], Collection[str]]) -> None:
        """``places_of`` returns the files, relative to ``folder``, that define a kind, namespace and name."""
        self._folder = folder
        self._places_of = places_of

    def current(self, change: PortalChange) -> CurrentCredentials:
        """The credentials in the file of the change's PushConfig.

        Raises:
            ChangeRefusedError: somebody else defined the PushConfig or its Secret.
        """
        name = self._name(change)
        for kind, resource in (("PushConfig", change.name), ("Secret", secret_name(change.name))):
            if any(place != name for place in self._places_of(kind, change.client, resource)):
                raise ChangeRefusedError(
                    f"{kind} {resource} exists and was not created in the portal, so only its owner changes it"
                )
        documents = self._read(self._folder / name)
        push_config = documents.get("PushConfig")
        if push_config is None:
            return CurrentCredentials()
        return current_in(change.name, _mapping(push_config.get("spec")), _values(documents.get("Secret")))

    def write(self, change: PortalChange, made: ChangeManifests) -> None:
        """Write the file.

        Raises:
            ChangeRefusedError: the file can't be written.
        """
        path = self._folder / self._name(change)
        documents = [made.push_config, *([] if made.secret is None else [made.secret])]
        text = _ABOUT + yaml.safe_dump_all(documents, sort_keys=False, allow_unicode=True)
        draft = path.with_name(f".{change.id}")  # a hidden name, which no reload reads
        try:
            for folder in (self._folder / FOLDER, path.parent):
                folder.mkdir(mode=0o700, exist_ok=True)
                if folder.is_symlink():
                    raise ChangeRefusedError(
                        "the server's folder of the portal is a link; the platform's people must remove it"
                    )
            _write(draft, text.encode())
            draft.replace(path)
            _sync(path.parent)
        except OSError as error:
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)
            raise ChangeRefusedError(
                f"the server can't write it ({error.strerror}); the platform's people must make its folder writable"
            ) from None

    @staticmethod
    def _name(change: PortalChange) -> str:
        """The path of the file; client and name were checked, and contain no slash."""
        return f"{FOLDER}/{change.client}/{change.name}.yaml"

    def _read(self, path: Path) -> Documents:
        try:
            with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
                documents = list(yaml.safe_load_all(file.read(_MOST_BYTES)))
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except (OSError, yaml.YAMLError, ValueError):
            raise ChangeRefusedError(
                "its file was changed outside of the portal; the platform's people must correct it"
            ) from None
        found = {str(document.get("kind")): document for document in documents if isinstance(document, dict)}
        if any(not is_portals(_mapping(document.get("metadata")).get("labels")) for document in found.values()):
            raise ChangeRefusedError("its file was changed outside of the portal, so only its owner changes it")
        return found


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _mapping(found: Any) -> Mapping[str, Any]:
    return found if isinstance(found, dict) else {}


def _values(secret: Mapping[str, Any] | None) -> dict[str, str | None]:
    """The Secret's values as text; those that are not text are left out."""
    values: dict[str, str | None] = {}
    for key, value in _mapping(None if secret is None else secret.get("data")).items():
        with contextlib.suppress(binascii.Error, ValueError, TypeError):
            values[str(key)] = base64.b64decode(value, validate=True).decode()
    return values
