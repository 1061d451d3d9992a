"""One replica records each change once; a replica that is behind for a moment records nothing."""

from collections.abc import Mapping, Sequence

import msgspec

from support.serving import table
from trackpush_api.routing import Destination, RoutingTable
from trackpush_server.config_history.recorder import CATCH_UP, ConfigRecorder
from trackpush_server.journal.config_history import ConfigHead, NewConfigEntry, StoredFields
from trackpush_server.journal.slots import SingleOwner


class Shared:
    """The history of several replicas, in memory."""

    def __init__(self) -> None:
        self.entries: list[NewConfigEntry] = []
        self.fields: dict[str, StoredFields] = {}
        self.ahead_of_append: NewConfigEntry | None = None
        """Another replica stores it just before the next append."""

    async def head(self, *, since: int) -> ConfigHead | None:
        if not self.entries:
            return None
        recent = tuple(entry.revision for entry in reversed(self.entries) if entry.at >= since)
        return ConfigHead(id=len(self.entries), revision=self.entries[-1].revision, recent=recent)

    async def resources(self) -> dict[str, StoredFields]:
        return dict(self.fields)

    async def append(
        self, entry: NewConfigEntry, *, after: int, resources: Mapping[str, StoredFields], gone: Sequence[str]
    ) -> bool:
        if self.ahead_of_append is not None:
            self.entries.append(self.ahead_of_append)
            self.ahead_of_append = None
        if after != len(self.entries):
            return False
        self.entries.append(entry)
        self.fields |= resources
        for name in gone:
            del self.fields[name]
        return True


class Slots(SingleOwner):
    """Ownership that the test decides."""

    def __init__(self, *, alone: bool) -> None:
        self.alone = alone
        self.is_mine = True

    def holds(self, push_config: str) -> bool:
        del push_config
        return self.is_mine


class Replica:
    """A recorder with its own table and clock."""

    def __init__(self, shared: Shared, *, alone: bool = False) -> None:
        self.slots = Slots(alone=alone)
        self.table: RoutingTable | None = None
        self.now = 1_000.0
        self.recorder = ConfigRecorder(
            shared, self.slots, served=lambda: self.table, wall=lambda: self.now, clock=lambda: self.now
        )

    async def serves(self, found: RoutingTable | None) -> None:
        self.table = found
        await self.recorder.look()


def version(timeout: float) -> RoutingTable:
    return msgspec.structs.replace(table(), destinations=(Destination(name="a/b", url="https://b", timeout=timeout),))


ONE, TWO, THREE = version(1), version(2), version(3)


def revisions(shared: Shared) -> list[str]:
    return [entry.revision for entry in shared.entries]


async def test_each_change_is_recorded_once_also_one_back_to_an_earlier_revision() -> None:
    shared = Shared()
    replica = Replica(shared)
    for found in (ONE, ONE, TWO, None, TWO, ONE):
        await replica.serves(found)
    assert revisions(shared) == [ONE.revision, TWO.revision, ONE.revision]
    first, second, _ = shared.entries
    assert (first.is_first, first.added, first.resources) == (True, 5, ())
    assert second.resources[0].fields[0].path == "delivery.timeout"


async def test_a_change_during_a_restart_is_recorded() -> None:
    shared = Shared()
    await Replica(shared, alone=True).serves(ONE)
    await Replica(shared, alone=True).serves(ONE)
    await Replica(shared, alone=True).serves(TWO)
    await Replica(shared, alone=True).serves(ONE)
    assert revisions(shared) == [ONE.revision, TWO.revision, ONE.revision]
    assert shared.entries[1].resources[0].fields[0].new == "2s"


async def test_a_replica_that_does_not_hold_the_slot_records_nothing() -> None:
    shared = Shared()
    replica = Replica(shared)
    replica.slots.is_mine = False
    await replica.serves(ONE)
    assert shared.entries == []


async def test_a_replica_that_takes_over_with_an_older_revision_waits_for_the_newest() -> None:
    shared = Shared()
    ahead, behind = Replica(shared), Replica(shared)
    for found in (ONE, TWO, THREE):
        await ahead.serves(found)
    behind.slots.is_mine = True
    for found in (ONE, TWO, THREE):
        await behind.serves(found)
    assert revisions(shared) == [ONE.revision, TWO.revision, THREE.revision]


async def test_a_replica_that_keeps_an_older_revision_records_the_return_to_it() -> None:
    shared = Shared()
    await Replica(shared).serves(ONE)
    await Replica(shared).serves(TWO)
    other = Replica(shared)
    await other.serves(ONE)
    assert len(shared.entries) == 2
    other.now += CATCH_UP
    await other.serves(ONE)
    assert revisions(shared) == [ONE.revision, TWO.revision, ONE.revision]


async def test_two_replicas_that_both_believe_to_record_store_a_change_once() -> None:
    shared = Shared()
    replica, other = Replica(shared), Replica(Shared())
    await replica.serves(ONE)
    for found in (ONE, TWO):
        await other.serves(found)
    assert other.table is TWO
    shared.ahead_of_append = NewConfigEntry(at=0, revision=TWO.revision, added=0, removed=0, changed=1, resources=())
    await replica.serves(TWO)
    await replica.serves(TWO)
    assert revisions(shared) == [ONE.revision, TWO.revision]
