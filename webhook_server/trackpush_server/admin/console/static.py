"""The files of the console's or the portal's pages: own ones and third-party ones.

They are read once, served only under their known names, and cached by browsers until they change.
"""

import hashlib
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Final

import msgspec
from aiohttp import web

_CONSOLE: Final = "trackpush_server.admin.console"
_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


class _File(msgspec.Struct, frozen=True):
    content: bytes
    content_type: str
    tag: str


class Static:
    """All files of the packages' folders ``static``, read when the server starts."""

    def __init__(self, *packages: str) -> None:
        self._files: dict[str, _File] = {}
        for package in (_CONSOLE, *packages):
            self._files |= _read(resources.files(package) / "static", "")

    async def serve(self, request: web.Request) -> web.Response:
        found = self._files.get(request.match_info["name"])
        if found is None:
            return web.Response(status=404, text="no such file\n")
        headers = {"ETag": found.tag, "Cache-Control": "no-cache"}
        if request.headers.get("If-None-Match") == found.tag:
            return web.Response(status=304, headers=headers)
        return web.Response(body=found.content, content_type=found.content_type, charset="utf-8", headers=headers)


def _read(folder: Traversable, prefix: str) -> dict[str, _File]:
    found: dict[str, _File] = {}
    for entry in folder.iterdir():
        name = f"{prefix}{entry.name}"
        if entry.is_dir():
            found |= _read(entry, f"{name}/")
            continue
        kind = _TYPES.get(name[name.rfind(".") :])
        if kind is not None:
            content = entry.read_bytes()
            found[name] = _File(content, kind, f'"{hashlib.sha256(content).hexdigest()[:16]}"')
    return found
