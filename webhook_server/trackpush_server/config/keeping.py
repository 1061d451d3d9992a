"""Keeps the last good version of resources that are invalid or missing at the moment. Pure.

A mistake in a resource must not stop anything, not even for its own client. If a resource can't be compiled, or its
file can't be read completely, its last good version is served. If a resource is missing, its last good version is
served for a few seconds more, because an editor or a sync may be saving the file, and then it is removed.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import TypeVar

import msgspec

from trackpush_api.problems import Problem, Reason, Severity
from trackpush_api.routing import Account, Destination, RoutingTable, ServerSettings

T = TypeVar("T", Account, Destination)
Served = tuple[str, str]
"""Kind and ``namespace/name`` of a resource."""
_DECISIONS = frozenset({Reason.NAMESPACE_NOT_ALLOWED, Reason.KEY_CONFLICT})
"""Reasons that express somebody's decision. They take effect at once: the last good version is not served."""


class Circumstances(msgspec.Struct, frozen=True, kw_only=True):
    """The state of the resources of a folder."""

    present: Collection[Served]
    """Resources that are in the files now."""
    problems: Iterable[Problem]
    held: Collection[Served]
    """Resources that are in no file now, and may come back."""


class Combined(msgspec.Struct, frozen=True, kw_only=True):
    """A table, and the list of its resources whose previous version is kept."""

    table: RoutingTable
    kept: tuple[Served, ...] = ()


def combine(new: RoutingTable, old: RoutingTable | None, now: Circumstances) -> Combined:
    """The new table, with the resources of the old one that must be kept."""
    if old is None:
        return Combined(table=new)
    broken = _broken(now.problems)
    claimed = {(account.aggregator, digest) for account in new.accounts for digest in account.key_digests}
    accounts = {account.name: account for account in new.accounts}
    destinations = {destination.name: destination for destination in new.destinations}
    kept: list[Served] = []
    for account in old.accounts:
        title = ("AggregatorWebhook", account.name)
        if account.name not in accounts and _is_kept(title, now, broken):
            digests = tuple(
                key_digest for key_digest in account.key_digests if (account.aggregator, key_digest) not in claimed
            )
            if digests:
                accounts[account.name] = msgspec.structs.replace(account, key_digests=digests)
                kept.append(title)
    namespaces = {name.partition("/")[0] for _, name in kept}
    for destination in old.destinations:
        title = ("PushConfig", destination.name)
        # A valid PushConfig is missing in the new table if no account of its namespace was compiled.
        in_kept = destination.name.partition("/")[0] in namespaces and title in now.present
        if destination.name not in destinations and (in_kept or _is_kept(title, now, broken)):
            destinations[destination.name] = destination
            kept.append(title)
    if not kept:
        return Combined(table=new)
    table = msgspec.structs.replace(
        new,
        server=_with_definitions(new.server, old.server, {account.aggregator for account in accounts.values()}),
        accounts=_sorted(accounts),
        destinations=_sorted(destinations),
    )
    return Combined(table=table, kept=tuple(kept))


def _with_definitions(new: ServerSettings, old: ServerSettings, named: Collection[str]) -> ServerSettings:
    """The settings, with the former definitions that accounts still name."""
    names = {definition.name for definition in new.definitions}
    paths = {definition.path for definition in new.definitions}
    missing = [
        definition
        for definition in old.definitions
        if definition.name in named and definition.name not in names and definition.path not in paths
    ]
    definitions = tuple(sorted((*new.definitions, *missing), key=lambda definition: definition.name))
    return msgspec.structs.replace(new, definitions=definitions) if missing else new


def _is_kept(title: Served, now: Circumstances, broken: Collection[Served]) -> bool:
    return title in broken if title in now.present else title in now.held


def _broken(problems: Iterable[Problem]) -> set[Served]:
    """Resources with an error, unless the error means that they must not be served."""
    broken: set[Served] = set()
    decided: set[Served] = set()
    for problem in problems:
        if problem.resource is not None and problem.severity is Severity.ERROR and not problem.only_notification:
            kind, _, name = problem.resource.partition(" ")
            (decided if problem.reason in _DECISIONS else broken).add((kind, name))
    return broken - decided


def _sorted(found: Mapping[str, T]) -> tuple[T, ...]:
    return tuple(found[name] for name in sorted(found))
