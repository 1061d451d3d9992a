"""Converts forms to the API's types: empty fields are absent, times are UTC."""

from collections.abc import Collection, Mapping
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from trackpush_server.admin.guard import CSRF_FIELD

_T = TypeVar("_T")
_TIMES = frozenset({"since", "until", "endedSince", "endedUntil"})
_SHORT_TIME = len("2025-06-12T10:00")
_OURS = frozenset({CSRF_FIELD, "total"})
"""Fields of the form that are not part of the API request."""
_LISTS = frozenset({"ids", "states", "errors"})


def asked(request: web.Request, kind: type[_T], **fixed: Any) -> _T:
    """The query string, without the ``?``.

    Raises:
        msgspec.ValidationError: the value of a field is invalid; the message names the field.
    """
    given = {name: value for name, value in request.query.items() if value.strip()}
    return msgspec.convert(_read(given) | fixed, type=kind, strict=False)


def api_query(request: web.Request, *, without: Collection[str]) -> dict[str, str]:
    """The parameters of the page, as the API takes them."""
    given = {name: value for name, value in request.query.items() if value.strip() and name not in without}
    return _read(given)


async def posted(request: web.Request, kind: type[_T], **fixed: Any) -> _T:
    """The fields of a form.

    Raises:
        msgspec.ValidationError: as with `asked`.
    """
    form = await request.post()
    given: dict[str, Any] = {}
    for name in form:
        values = [value for value in form.getall(name) if isinstance(value, str) and value.strip()]
        if name not in _OURS and values:
            given[name] = values if name in _LISTS else values[0]
    return msgspec.convert(_read(given) | fixed, type=kind, strict=False)


def _read(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _time(value.strip()) if name in _TIMES else _text(value) for name, value in given.items()}


def _text(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


def _time(value: str) -> str:
    """RFC 3339 of a browser's ``2025-06-12T10:00``, which has neither seconds nor time zone."""
    if len(value) == _SHORT_TIME:
        return f"{value}:00Z"
    return value
