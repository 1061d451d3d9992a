"""The routing tables of all servers, and where each resource's entries are. No I/O."""

from collections.abc import Mapping

from trackpush_operator.compile.entries import entry_key, resource_key
from trackpush_operator.compile.secret_counts import SecretCounts
from trackpush_operator.compile.verdicts import Effects
from trackpush_operator.store.objects import Key, server_key
from trackpush_operator.store.shard_revisions import Entry, EntryKey, ShardedTable


class Placement:
    """Puts entries into tables."""

    def __init__(self) -> None:
        self.tables: dict[str, ShardedTable] = {}
        """Tables by ``namespace/name`` of the server."""
        self.secrets = SecretCounts()
        self._placed: dict[Key, tuple[str, ...]] = {}

    def placed(self, key: Key) -> tuple[str, ...]:
        """The servers whose tables have an entry of a resource."""
        return self._placed.get(key, ())

    def adopt(self, key: Key, server: str) -> None:
        """Record that the server's table, which is new to this process, has an entry of a resource."""
        self._placed[key] = tuple(sorted({*self.placed(key), server}))

    def entry(self, server: str, key: Key) -> dict[str, Entry]:
        """The entry of a resource in a server's table, by server; empty without one."""
        table = self.tables.get(server)
        what = entry_key(key)
        found = None if table is None else table.part_of(what).entries.get(what)
        return {} if found is None else {server: found}

    def place(self, key: Key, entries: Mapping[str, Entry], effects: Effects) -> None:
        """Replace the entries of a resource, by server."""
        what = entry_key(key)
        for name in {*self.placed(key), *entries}:
            table = self.tables.get(name)
            if table is not None:  # otherwise the table is adopted soon, and then all resources are decided again
                self.put(table, what, entries.get(name), effects)
        if entries:
            self._placed[key] = tuple(sorted(entries))
        else:
            self._placed.pop(key, None)

    def put(self, table: ShardedTable, what: EntryKey, entry: Entry | None, effects: Effects) -> None:
        """Set or remove an entry of a table."""
        part = table.part_of(what)
        waiting = part.refused - {what}
        before = part.entries.get(what)
        if part.put(what, entry):
            if self.secrets.replace(table.server, before, entry):
                effects.again.add(server_key(table.server))
            effects.parts.add((table.server, part.name))
            effects.again |= {resource_key(item) for item in waiting}  # the shard may have room for them now
