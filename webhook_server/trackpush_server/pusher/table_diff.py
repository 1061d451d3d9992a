"""Compares two routing tables for the pusher. Pure.

Most of two tables is the same: with shards even the same objects, and those are not compared field by field.
"""

from collections.abc import Iterable

import msgspec

from trackpush_api.routing import Account, Destination, Egress, RoutingTable


class TableDiff(msgspec.Struct, frozen=True, kw_only=True):
    """The changes from the applied table to ``table``."""

    table: RoutingTable
    egress: Egress
    removed: tuple[str, ...]
    """PushConfigs that the table holds no more."""
    changed: tuple[Destination, ...]
    """New ones, and all that differ."""
    suspended: frozenset[str]
    """All accounts that are suspended."""


def diff(before: RoutingTable | None, after: RoutingTable) -> TableDiff:
    """What to do so that ``after`` is served."""
    new = after.destination_by_name
    old = {} if before is None else before.destination_by_name
    same_egress = before is not None and before.server.egress == after.server.egress
    return TableDiff(
        table=after,
        egress=after.server.egress,
        removed=tuple(name for name in old if name not in new),
        changed=tuple(
            destination
            for destination in new.values()
            if not same_egress or not _same(old.get(destination.name), destination)
        ),
        suspended=_suspended(after.accounts),
    )


def _same(old: Destination | None, new: Destination) -> bool:
    return old is new or old == new


def _suspended(accounts: Iterable[Account]) -> frozenset[str]:
    return frozenset(account.name for account in accounts if account.suspended)
