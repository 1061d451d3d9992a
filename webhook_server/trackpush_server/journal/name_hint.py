"""Explains why a search by name finds nothing: no PushConfig with pushes has this name. Pure."""

import difflib
from collections.abc import Collection

from trackpush_server.journal.search import PushQuery


def unknown_name(query: PushQuery, push_configs: Collection[str]) -> str | None:
    """The name in the query that no push has, and a similar one; None if the query has no such name."""
    clients = sorted({name.partition("/")[0] for name in push_configs})
    client = query.client or (query.push_config or query.account or "").partition("/")[0]
    if client and client not in clients:
        return _hint(f"the client {client}", client, clients)
    if query.push_config is not None and query.push_config not in push_configs:
        own = sorted(name for name in push_configs if name.startswith(f"{client}/"))
        return _hint(f"the PushConfig {query.push_config}", query.push_config, own)
    return None


def _hint(what: str, name: str, known: list[str]) -> str:
    near = _similar(name, known)
    return f"{what} has no pushes; did you mean {near}?" if near else f"{what} has no pushes"


def _similar(name: str, known: list[str]) -> str | None:
    """The first name that begins with this one or contains it, else the most similar one."""
    low = name.lower()
    found = [other for other in known if other.lower().startswith(low)] or [
        other for other in known if low in other.lower()
    ]
    return next(iter(found or difflib.get_close_matches(name, known, n=1)), None)
