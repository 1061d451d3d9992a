"""Binds clients to namespace objects inside the writer's transaction, as `trackpush_server.journal.tenants` decides."""

from collections.abc import Mapping, Sequence

from trackpush_api.routing import Tenant
from trackpush_server.journal.model import BoundClient
from trackpush_server.journal.named_sql import load
from trackpush_server.journal.sqlite import portal_links
from trackpush_server.journal.sqlite.access import SqliteAccess
from trackpush_server.journal.sqlite.connection import SqliteConnection
from trackpush_server.journal.tenants import Binding, KnownTenant, archived, binding, restored

SQL = load(f"{__package__}.sql", "tenants")


class SqliteTenants:
    """See `trackpush_server.journal.ports.TenantStore`."""

    def __init__(self, access: SqliteAccess) -> None:
        self._access = access

    async def bind(self, wanted: Mapping[str, Sequence[Tenant]]) -> dict[str, BoundClient]:
        await self._access.flush()
        return await self._access.write(lambda connection: bind(connection, wanted), renames=True)


def bind(connection: SqliteConnection, tenants: Mapping[str, Sequence[Tenant]]) -> dict[str, BoundClient]:
    """Implements `TenantStore.bind`. Afterwards, the writer must reload its cached numbers of names."""
    bound = {}
    for namespace, wanted in tenants.items():
        rows = connection.execute(SQL["known"], (namespace,)).fetchall()
        found = binding([KnownTenant(uid, generation, bool(current)) for uid, generation, current in rows], wanted)
        _apply(connection, namespace, found)
        bound[namespace] = found.bound
    return bound


def _apply(connection: SqliteConnection, namespace: str, found: Binding) -> None:
    if found.archive is not None:
        _archive(connection, namespace, found.archive)
    for uid in found.restore:
        _restore(connection, namespace, uid)
    connection.execute(SQL["leave"], (namespace,))
    connection.execute(SQL["enter"], (namespace, found.bound.uid, found.bound.generation))


def _archive(connection: SqliteConnection, namespace: str, uid: str) -> None:
    numbers = _names(connection, namespace)
    for old, new in archived(tuple(numbers), namespace, uid).items():
        connection.execute(SQL["rename"], (new, numbers[old]))
    for old, new in archived(_inbox_accounts(connection, namespace), namespace, uid).items():
        _move_bodies(connection, old, new)
    portal_links.archive(connection, namespace, uid)


def _restore(connection: SqliteConnection, namespace: str, uid: str) -> None:
    """Restore former names. If a name is in use again, move only the undelivered pushes to it."""
    numbers = _names(connection, namespace)
    for old, new in restored(tuple(numbers), namespace, uid).items():
        if new in numbers:
            moved = {"of": numbers[old], "to": numbers[new]}
            for statement in ("move_attempts", "move_terms", "move_pushes"):
                connection.execute(SQL[statement], moved)
        else:
            connection.execute(SQL["rename"], (new, numbers[old]))
            numbers[new] = numbers.pop(old)
    for old, new in restored(_inbox_accounts(connection, namespace), namespace, uid).items():
        _move_bodies(connection, old, new)
    portal_links.restore(connection, namespace, uid)


def _names(connection: SqliteConnection, namespace: str) -> dict[str, int]:
    return {name: number for number, name in connection.execute(SQL["names"], (namespace,))}


def _inbox_accounts(connection: SqliteConnection, namespace: str) -> tuple[str, ...]:
    return tuple(account for (account,) in connection.execute(SQL["inbox_accounts"], (namespace,)))


def _move_bodies(connection: SqliteConnection, old: str, new: str) -> None:
    names = {"of": old, "to": new}
    connection.execute(SQL["move_bodies"], names)
    connection.execute(SQL["add_count"], names)
    connection.execute(SQL["drop_count"], {"of": old})
