"""The wanted routing tables by shard, and how far each shard has been written and loaded. Pure.

A shard's contents are numbered: each change increases the wanted number, each write has a number, and each revision
that a pod can report has one. So the operator knows for each single resource whether the pods serve it, even if another
resource in the same shard changes.

A table starts with the cluster's content (`ShardedTable.seed`), and a resource's entry changes only by a decision about
this resource. So an operator that has just started, or that can't decide something, removes nothing.
"""

import hashlib
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final, Literal, NamedTuple

import msgspec

from trackpush_api import shards
from trackpush_api.routing import Account, Definition, Destination, ServerSettings, namespace_of
from trackpush_api.shards import SETTINGS, ReservedKeys, Shard

EntryKind = Literal["account", "destination", "settings", "reserved", "definition"]
Entry = Account | Destination | ServerSettings | ReservedKeys | Definition
EntryKey = tuple[EntryKind, str]
"""The kind of an entry, and its ``namespace/name``."""

_ROOM: Final = shards.MOST_BYTES - 2048
"""Bytes for the entries of one shard; the rest of a Secret is for the data around them."""
_ROOM_OF_SETTINGS: Final = 64 * 1024
"""Bytes that definitions leave free for the settings, which are in the same shard."""
_REMEMBERED: Final = 32
"""Number of revisions remembered for each shard, so that a pod that serves one of them is recognised."""


class ShardWrite(NamedTuple):
    """One write of a shard."""

    number: int
    shard: Shard
    data: bytes
    digest: bytes


class ShardState:
    """One shard."""

    def __init__(self, server: str, name: str) -> None:
        self.server = server
        self.name = name
        self.entries: dict[EntryKey, Entry] = {}
        self.revision = ""
        """The revision in the cluster, as far as known."""
        self.confirmed = -1
        """The highest number that all ready pods served."""
        self._sizes: dict[EntryKey, int] = {}
        self._needs: dict[EntryKey, int] = {}
        self._refused: set[EntryKey] = set()
        self._wanted = self._started = self._written = 0
        self._digest: bytes | None = None
        self._exists = False
        self._numbers: dict[str, int] = {}
        self._order: deque[str] = deque()

    def seed(self, shard: Shard) -> None:
        """Start with the cluster's content."""
        for account in shard.accounts:
            self._store(("account", account.name), account)
        for destination in shard.destinations:
            self._store(("destination", destination.name), destination)
        for reserved in shard.reserved:
            self._store(("reserved", reserved.name), reserved)
        if shard.settings is not None:
            self._store(("settings", shard.server), msgspec.structs.replace(shard.settings, definitions=()))
            for definition in shard.settings.definitions:
                self._store(("definition", f"{namespace_of(shard.server)}/{definition.name}"), definition)
        self._exists = True
        self._digest = _digest(self._contents())
        self._remember(shard.revision, 0)

    def is_intact(self, data: bytes) -> bool:
        """Whether this content, read from the cluster, is what was last written or seeded."""
        try:
            shard = shards.decode(data)
        except shards.ShardError:
            return False
        bare = msgspec.structs.replace(shard, revision="")
        return shard.revision == self.revision and _digest(bare) == self._digest

    def spoil(self) -> None:
        """Write the shard again in any case, because the cluster's content was changed or can't be read."""
        self._exists = True
        self._digest = None
        self._wanted = self._started + 1

    def put(self, what: EntryKey, entry: Entry | None) -> bool:
        """Set or remove an entry; returns whether anything changed.

        An entry for which there is no room changes nothing.
        """
        self._refused.discard(what)
        if self.entries.get(what) == entry:
            return False
        if entry is None:
            del self.entries[what]
            del self._sizes[what]
        elif not self._store(what, entry):
            self._refused.add(what)
            return False
        self._wanted = self._started + 1
        self._needs[what] = self._wanted
        return True

    def _store(self, what: EntryKey, entry: Entry) -> bool:
        size = len(msgspec.json.encode(entry)) + 1
        room = _ROOM - _ROOM_OF_SETTINGS if what[0] == "definition" else _ROOM
        if sum(self._sizes.values()) - self._sizes.get(what, 0) + size > room:
            return False
        self.entries[what] = entry
        self._sizes[what] = size
        return True

    @property
    def is_empty(self) -> bool:
        """Whether both the table and the cluster's content are empty."""
        return not self.entries and not self._exists

    @property
    def _is_void(self) -> bool:
        """Whether there is nothing to write: no entries, or definitions whose server has no settings yet."""
        return all(sort == "definition" for sort, _ in self.entries) if self.name == SETTINGS else not self.entries

    @property
    def refused(self) -> frozenset[EntryKey]:
        """Entries for which there is no room."""
        return frozenset(self._refused)

    @property
    def is_behind(self) -> bool:
        """Whether the wanted content is not written yet."""
        return self._written < self._wanted

    @property
    def newest(self) -> int:
        """The number of the last written content."""
        return self._numbers.get(self.revision, self._written)

    def begin(self, revision: Callable[[], str]) -> ShardWrite | None:
        """The shard to write now; None if the cluster's content is up to date."""
        self._started += 1
        number = self._wanted = self._started
        contents = self._contents()
        digest = _digest(contents)
        if digest == self._digest or (not self._exists and self._is_void):
            self._written = number
            if self.revision:
                self._numbers[self.revision] = number
            return None
        shard = msgspec.structs.replace(contents, revision=revision())
        return ShardWrite(number, shard, shards.encode(shard), digest)

    def done(self, attempt: ShardWrite) -> None:
        """Record that the write succeeded."""
        self._exists = True
        self._digest = attempt.digest
        self._written = max(self._written, attempt.number)
        self._remember(attempt.shard.revision, attempt.number)

    @property
    def written(self) -> int:
        """The number of the cluster's content."""
        return self._written

    def changed_since(self, number: int) -> list[EntryKey]:
        """Entries that were changed or removed after this number."""
        return [what for what, need in self._needs.items() if need > number]

    def need(self, what: EntryKey) -> int:
        """The first content number with the entry's current state."""
        return self._needs.get(what, 0)

    def is_written(self, what: EntryKey) -> bool:
        """Whether the cluster's content has the entry's current state."""
        return self._written >= self.need(what)

    def number_of(self, revision: str | None) -> int:
        """The content number of a revision that a pod reports; -1 for an unknown one."""
        if revision is None and not self._exists:
            return self._written  # the shard is empty, and therefore has no file
        return self._numbers.get(revision or "", -1)

    def _remember(self, revision: str, number: int) -> None:
        self.revision = revision
        self._numbers[revision] = number
        self._order.append(revision)
        if len(self._order) > _REMEMBERED:
            self._numbers.pop(self._order.popleft(), None)

    def _contents(self) -> Shard:
        values = self.entries.values()
        settings = next((value for value in values if isinstance(value, ServerSettings)), None)
        if settings is not None:
            definitions = sorted(
                (value for value in values if isinstance(value, Definition)), key=lambda entry: entry.name
            )
            settings = msgspec.structs.replace(settings, definitions=tuple(definitions))
        made = shards.make(
            self.server,
            self.name,
            accounts=(value for value in values if isinstance(value, Account)),
            destinations=(value for value in values if isinstance(value, Destination)),
        )
        reserved = sorted((value for value in values if isinstance(value, ReservedKeys)), key=lambda entry: entry.name)
        return msgspec.structs.replace(made, settings=settings, reserved=tuple(reserved))


class ShardedTable:
    """The routing table of one server."""

    def __init__(self, server: str) -> None:
        self.server = server
        self.parts: dict[str, ShardState] = {}

    def part(self, name: str) -> ShardState:
        """A shard, or the settings."""
        found = self.parts.get(name)
        if found is None:
            found = self.parts[name] = ShardState(self.server, name)
        return found

    def part_of(self, what: EntryKey) -> ShardState:
        """The shard in which an entry is, or would be."""
        sort, name = what
        return self.part(SETTINGS if sort in ("settings", "definition") else shards.shard_name(name))

    def definitions(self) -> list[Definition]:
        """The AggregatorDefinitions in it."""
        return [entry for entry in self.part(SETTINGS).entries.values() if isinstance(entry, Definition)]

    def ids(self) -> Iterator[EntryKey]:
        """All entries."""
        return (what for part in self.parts.values() for what in part.entries)


def _digest(shard: Shard) -> bytes:
    """A digest for comparing contents in memory only: it never leaves the process."""
    return hashlib.sha256(shards.encode(shard)).digest()
