"""Numbers for names; known ones are remembered until the connection breaks, as the database may be another then."""

from collections.abc import Iterable

from trackpush_server.journal.ownership import slot_of
from trackpush_server.journal.postgres.session import Session
from trackpush_server.journal.queries import load

_SQL = load(f"{__package__}.sql", "writing")
_TRIES = 3
"""Another replica may make a name between our look and our insert; the next look finds it."""


class Names:
    """Of one server."""

    def __init__(self) -> None:
        self.accounts: dict[str, int] = {}
        self.push_configs: dict[str, int] = {}
        self.push_config_by_id: dict[int, str] = {}

    def forget(self) -> None:
        """Look all of them up again."""
        self.accounts, self.push_configs, self.push_config_by_id = {}, {}, {}

    async def learn(self, session: Session, *, accounts: Iterable[str], push_configs: Iterable[str]) -> None:
        """See that these have numbers."""
        for _ in range(_TRIES):
            unknown = [name for name in accounts if name not in self.accounts]
            if unknown:
                rows = await session.fetch(_SQL["accounts"], unknown)
                self.accounts.update((row["name"], row["id"]) for row in rows)
            new = [name for name in push_configs if name not in self.push_configs]
            if new:
                rows = await session.fetch(_SQL["push_configs"], new, [slot_of(name) for name in new])
                self.push_configs.update((row["name"], row["id"]) for row in rows)
                self.push_config_by_id.update((row["id"], row["name"]) for row in rows)
            if not unknown and not new:
                return
