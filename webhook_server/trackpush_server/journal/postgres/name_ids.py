"""Caches the numbers of names until the connection breaks, because then the database may be another one."""

from collections.abc import Iterable, Sequence

from trackpush_server.journal.named_sql import load
from trackpush_server.journal.postgres.session import Session
from trackpush_server.journal.slots import slot_of
from trackpush_server.journal.tenants import stored_names

_SQL = load(f"{__package__}.sql", "writing")
_BOUND = load(f"{__package__}.sql", "tenants")["current"]
_TRIES = 3
"""Another replica may insert a name between this replica's SELECT and INSERT; the next attempt finds it."""


class NameIds:
    """The cache of one server."""

    def __init__(self) -> None:
        self.uids: dict[str, str] = {}
        """UIDs of the clients in this server's routing table, by namespace."""
        self.accounts: dict[str, int] = {}
        self.push_configs: dict[str, int] = {}
        self.push_config_by_id: dict[int, str] = {}

    def forget(self) -> None:
        """Clear the cache."""
        self.accounts, self.push_configs, self.push_config_by_id = {}, {}, {}

    async def learn(self, session: Session, *, accounts: Iterable[str], push_configs: Iterable[str]) -> None:
        """Load the numbers of these names; inserts new names."""
        for _ in range(_TRIES):
            unknown = [name for name in accounts if name not in self.accounts]
            if unknown:
                stored = await self._stored(session, unknown)
                rows = await session.fetch(_SQL["accounts"], list(stored.values()))
                numbers = {row["name"]: row["id"] for row in rows}
                self.accounts.update((name, numbers[stored[name]]) for name in unknown if stored[name] in numbers)
            new = [name for name in push_configs if name not in self.push_configs]
            if new:
                stored = await self._stored(session, new)
                rows = await session.fetch(_SQL["push_configs"], list(stored.values()), [slot_of(name) for name in new])
                numbers = {row["name"]: row["id"] for row in rows}
                found = [(name, numbers[stored[name]]) for name in new if stored[name] in numbers]
                self.push_configs.update(found)
                self.push_config_by_id.update((number, name) for name, number in found)
            if not unknown and not new:
                return

    async def _stored(self, session: Session, names: Sequence[str]) -> dict[str, str]:
        """Maps names to names in the journal, which may already have bound their client to a newer namespace."""
        known = sorted({name.partition("/")[0] for name in names} & self.uids.keys())
        rows = await session.fetch(_BOUND, known) if known else []
        return stored_names(names, self.uids, {row["namespace"]: row["uid"] for row in rows})
