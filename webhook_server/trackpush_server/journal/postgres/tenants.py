"""Binds clients to namespace objects in one transaction, under the counter's lock, which excludes concurrent appends.

`trackpush_server.journal.tenants` decides the binding. Other replicas may still use the old routing table: their cached
numbers of names belong to the former namespace, and they look up further names by the UID in their routing table
(`stored_names`).
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from trackpush_api.routing import Tenant
from trackpush_server.journal.model import BoundClient
from trackpush_server.journal.named_sql import load
from trackpush_server.journal.postgres import portal_links
from trackpush_server.journal.postgres.access import PostgresAccess
from trackpush_server.journal.postgres.pool import Pool
from trackpush_server.journal.postgres.session import Session
from trackpush_server.journal.slots import slot_of
from trackpush_server.journal.tenants import Binding, KnownTenant, archived, binding, restored

SQL = load(f"{__package__}.sql", "tenants")
_LOCK = load(f"{__package__}.sql", "reading")["lock"]
_TABLES = {"accounts": "rename_account", "push_configs": "rename_push_config"}


class Rebound(NamedTuple):
    """Result of binding clients."""

    bound: dict[str, BoundClient]
    renamed: bool
    """Whether cached numbers of names may be wrong now."""


class PostgresTenants:
    """See `trackpush_server.journal.ports.TenantStore`."""

    def __init__(self, access: PostgresAccess) -> None:
        self._access = access

    async def bind(self, wanted: Mapping[str, Sequence[Tenant]]) -> dict[str, BoundClient]:
        await self._access.flush_for_write()
        names = self._access.names
        found = await bind(self._access.pool, wanted, names.uids)
        names.uids.update((namespace, client.uid) for namespace, client in found.bound.items())
        if found.renamed:
            names.forget()
        return found.bound


async def bind(pool: Pool, tenants: Mapping[str, Sequence[Tenant]], uids: Mapping[str, str]) -> Rebound:
    """Implements `TenantStore.bind`; ``uids`` are those of this process's current routing table, by client."""
    async with pool.session() as session, session.begin():
        await session.fetch(_LOCK)
        known: defaultdict[str, list[KnownTenant]] = defaultdict(list)
        for row in await session.fetch(SQL["known"], list(tenants)):
            known[row["namespace"]].append(KnownTenant(row["uid"], row["generation"], row["current"]))
        found = {namespace: binding(known[namespace], wanted) for namespace, wanted in tenants.items()}
        renames = [namespace for namespace, entry in found.items() if entry.archive is not None or entry.restore]
        if renames:
            await session.fetch(SQL["lock_inbox"])
        for namespace in renames:
            await _apply(session, namespace, found[namespace])
        bound = {namespace: entry.bound for namespace, entry in found.items()}
        columns = (list(bound), [entry.uid for entry in bound.values()], [entry.generation for entry in bound.values()])
        await session.fetch(SQL["enter"], *columns)
    changed = any(uids.get(namespace, entry.uid) != entry.uid for namespace, entry in bound.items())
    return Rebound(bound, renamed=bool(renames) or changed)


async def _apply(session: Session, namespace: str, found: Binding) -> None:
    if found.archive is not None:
        for table, rename in _TABLES.items():
            numbers = await _names(session, table, namespace)
            for old, new in archived(tuple(numbers), namespace, found.archive).items():
                slot = () if table == "accounts" else (None,)
                await session.fetch(SQL[rename], numbers[old], new, *slot)
        for old, new in archived(await _inbox_accounts(session, namespace), namespace, found.archive).items():
            await _move_bodies(session, old, new)
        await portal_links.archive(session, namespace, found.archive)
    for uid in found.restore:
        for table in _TABLES:
            await _restore(session, table, namespace, uid)
        for old, new in restored(await _inbox_accounts(session, namespace), namespace, uid).items():
            await _move_bodies(session, old, new)
        await portal_links.restore(session, namespace, uid)


async def _restore(session: Session, table: str, namespace: str, uid: str) -> None:
    """Restore former names. If a name is in use again, move only the undelivered pushes to it."""
    numbers = await _names(session, table, namespace)
    for old, new in restored(tuple(numbers), namespace, uid).items():
        if new not in numbers:
            slot = () if table == "accounts" else (slot_of(new),)
            await session.fetch(SQL[_TABLES[table]], numbers[old], new, *slot)
            numbers[new] = numbers.pop(old)
        elif table == "push_configs":
            for statement in ("move_attempts", "move_pushes", "move_undelivered"):
                await session.fetch(SQL[statement], numbers[old], numbers[new])


async def _names(session: Session, table: str, namespace: str) -> dict[str, int]:
    return {row["name"]: row["id"] for row in await session.fetch(SQL[table], namespace)}


async def _inbox_accounts(session: Session, namespace: str) -> tuple[str, ...]:
    return tuple(row["name"] for row in await session.fetch(SQL["inbox_accounts"], namespace))


async def _move_bodies(session: Session, old: str, new: str) -> None:
    await session.fetch(SQL["move_bodies"], old, new)
    await session.fetch(SQL["move_count"], old, new)
