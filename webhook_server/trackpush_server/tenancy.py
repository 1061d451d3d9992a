"""Serves a client only after the journal is bound to its namespace object.

A namespace that was deleted and created again is another tenant with the same name. Accounts and destinations of an
unbound namespace are held back: requests with their keys get 503, and nothing is pushed to them. First the journal sets
aside the data of the former namespace (`trackpush_server.journal.tenants`), then the new one is served.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec
import structlog

from trackpush_api.routing import Account, GraceKey, RoutingTable, Tenant, namespace_of
from trackpush_server.journal.model import BoundClient
from trackpush_server.journal.ports import TenantStore

_LATER: Final = 1 << 53
_log = structlog.get_logger("trackpush.tenancy")


class Divided(NamedTuple):
    """The part of a routing table that may be served now."""

    table: RoutingTable
    """The same object if nothing is held back."""
    unbound: dict[str, tuple[Tenant, ...]]
    """Namespaces to which the journal must be bound first."""


class Changes(NamedTuple):
    """The changes of a binding, by namespace."""

    replaced: frozenset[str]
    """Namespaces whose name now belongs to another namespace object."""
    took_over: frozenset[str]
    """Namespaces that got the pending pushes of a former namespace."""


class Tenancy:
    """The bindings of the journal that this process knows."""

    def __init__(self, tenants: TenantStore) -> None:
        self._tenants = tenants
        self._bound: dict[str, BoundClient] = {}

    def divide(self, table: RoutingTable) -> Divided:
        """The part of a table that may be served; thread-safe."""
        return divide(table, self._bound)

    async def bind(self, unbound: Mapping[str, tuple[Tenant, ...]]) -> Changes:
        """Bind the journal to these namespaces.

        Until this returns, they must not be served, and nothing may be stored for them.

        Raises:
            JournalUnavailableError: the journal can't be written; nothing was changed.
        """
        found = await self._tenants.bind(unbound)
        before = {namespace: self._bound.get(namespace) for namespace in found}
        self._bound = self._bound | found
        replaced = {name for name, old in before.items() if old is not None and old.uid != found[name].uid}
        took_over = {name for name, entry in found.items() if entry.took_over is not None}
        for name in replaced:
            _log.warning("namespace_replaced", client=name, found=found[name].uid, before=_uid(before[name]))
        for name in took_over:
            _log.info("namespace_took_over", client=name, uid=found[name].uid, former=found[name].took_over)
        return Changes(frozenset(replaced), frozenset(took_over - replaced))

    def forget(self) -> None:
        """Forget all bindings, because the journal may have lost them."""
        self._bound = {}


def divide(table: RoutingTable, bound: Mapping[str, BoundClient]) -> Divided:
    """The part of a table that may be served with these bindings. Pure."""
    serves: dict[str, BoundClient | None] = {}
    unbound = {}
    is_whole = True
    for namespace, tenants in table.tenants.items():
        mine = bound.get(namespace)
        current = next((entry for entry in tenants if mine is not None and entry.uid == mine.uid), None)
        serves[namespace] = None if current is None else mine
        is_whole = (
            is_whole and mine is not None and not mine.generation and all(entry.uid == mine.uid for entry in tenants)
        )
        if mine is None or current is None or current.takes_over not in {None, current.uid, mine.took_over}:
            unbound[namespace] = tenants
    if is_whole:
        return Divided(table, unbound)
    served = msgspec.structs.replace(
        table,
        accounts=tuple(_account(entry, serves) for entry in table.accounts),
        destinations=tuple(entry for entry in table.destinations if _is_served(entry.name, entry.tenant, serves)),
    )
    return Divided(served, unbound)


def is_replaced(account: Account, table: RoutingTable) -> bool:
    """Whether a newer table has another namespace object for the account; then its updates must not be stored."""
    if account.tenant is None:
        return False
    now = table.tenants.get(namespace_of(account.name), ())
    return bool(now) and account.tenant.uid not in {entry.uid for entry in now}


def _is_served(name: str, tenant: Tenant | None, serves: Mapping[str, BoundClient | None]) -> bool:
    if tenant is None:
        return True
    bound = serves[namespace_of(name)]
    return bound is not None and bound.uid == tenant.uid


def _account(account: Account, serves: Mapping[str, BoundClient | None]) -> Account:
    if _is_served(account.name, account.tenant, serves):
        bound = serves.get(namespace_of(account.name))
        generation = "" if bound is None else bound.generation
        return account if not generation else msgspec.structs.replace(account, generation=generation)
    later = tuple(GraceKey(digest=digest, until=_LATER) for digest in account.key_digests)
    return msgspec.structs.replace(account, key_digests=(), secrets=(), grace=(*account.grace, *later))


def _uid(bound: BoundClient | None) -> str | None:
    return None if bound is None else bound.uid
