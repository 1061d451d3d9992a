"""The entries of routing tables, and the resources that they come from. Pure."""

from trackpush_api.routing import Account, Destination, Tenant
from trackpush_api.shards import ReservedKeys
from trackpush_operator.compile.key_claims import Claim
from trackpush_operator.store.objects import Key, Kind
from trackpush_operator.store.shard_revisions import Entry, EntryKey, EntryKind, ShardedTable

_SORTS: dict[Kind, EntryKind] = {
    Kind.SERVER: "settings",
    Kind.WEBHOOK: "account",
    Kind.PUSH: "destination",
    Kind.DEFINITION: "definition",
}
_KINDS: dict[EntryKind, Kind] = {sort: kind for kind, sort in _SORTS.items()} | {"reserved": Kind.WEBHOOK}


def entry_key(key: Key) -> EntryKey:
    """The entry of a resource."""
    return _SORTS[key.kind], key.full_name


def resource_key(what: EntryKey) -> Key:
    """The resource of an entry."""
    sort, full_name = what
    namespace, _, name = full_name.partition("/")
    return Key(_KINDS[sort], namespace, name)


def held_keys(table: ShardedTable, what: EntryKey) -> tuple[list[Claim], float | None]:
    """The keys whose owner an entry records, and the time until which they are reserved if it only reserves them."""
    entry = table.part_of(what).entries[what]
    if isinstance(entry, Account):
        return [(table.server, (entry.aggregator, digest)) for digest in entry.key_digests], None
    if isinstance(entry, ReservedKeys) and entry.keys:
        claims: list[Claim] = [(table.server, (key.aggregator, key.digest)) for key in entry.keys]
        return claims, float(min(key.until for key in entry.keys))
    return [], None


def is_same_tenant(entry: Entry, tenant: Tenant | None) -> bool:
    """Whether an entry of the table may stay for a resource of this tenant."""
    before = entry.tenant if isinstance(entry, Account | Destination) else None
    return before is None or tenant is None or before.uid == tenant.uid
