"""Compares two routing tables for the pusher. Pure.

Two tables are mostly equal. With shards they even share objects, which are then not compared field by field.
"""

from collections.abc import Iterable

import msgspec

from trackpush_api.routing import Account, Destination, Egress, RoutingTable


class TableDiff(msgspec.Struct, frozen=True, kw_only=True):
    """The changes from the applied table to ``table``."""

    table: RoutingTable
    egress: Egress
    removed: tuple[str, ...]
    """PushConfigs that ``table`` no longer contains."""
    changed: tuple[Destination, ...]
    """New and changed destinations. Changes of announcement targets and of `portal` don't concern pushes."""
    suspended: frozenset[str]
    """All suspended accounts."""


def diff(before: RoutingTable | None, after: RoutingTable) -> TableDiff:
    """Compute the changes that lead to ``after``."""
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
    """Whether both send in the same way. Otherwise the channel starts again, with a closed breaker."""
    if old is None or old is new:
        return old is new
    return msgspec.structs.replace(old, announcement_targets=new.announcement_targets, portal=new.portal) == new


def _suspended(accounts: Iterable[Account]) -> frozenset[str]:
    return frozenset(account.name for account in accounts if account.suspended)
