"""The routing table in shards: the format that the operator writes and the servers mount. Pure.

A resource's shard depends only on its name and never changes, so a changed resource changes one shard. Shards contain
clients' credentials (see `routing`), so no error message quotes a value.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from typing import Final

import msgspec

from trackpush_api.routing import Account, Destination, RoutingTable, ServerSettings
from trackpush_api.vocabulary import AggregatorName

FORMAT: Final = 1
SHARDS: Final = 63
"""Together with the settings there are 64 files: as many Secrets as one projected volume of a pod should contain."""
SETTINGS: Final = "settings"
FILE: Final = "shard.json"
"""The key in a shard's Secret."""
MOST_BYTES: Final = 512 * 1024
"""Maximum bytes of one encoded shard; a Secret may contain 1 MiB, and a request to etcd 1.5 MiB."""
SHARD_NAMES: Final = tuple(f"{number:02d}" for number in range(SHARDS))
FILE_NAMES: Final = (SETTINGS, *SHARD_NAMES)


class ShardError(ValueError):
    """A shard that can't be read, or shards that don't belong together; the message says why, without any value."""


class ReservedKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key that no other resource may claim for a while."""

    aggregator: AggregatorName
    digest: str
    """SHA-256, lower-case hex."""
    until: int
    """Seconds since the epoch."""


class ReservedKeys(msgspec.Struct, frozen=True, kw_only=True):
    """The keys that an AggregatorWebhook had. Only the operator uses them."""

    name: str
    """``namespace/name`` of the AggregatorWebhook, which may be deleted."""
    keys: tuple[ReservedKey, ...]


class Shard(msgspec.Struct, frozen=True, kw_only=True):
    """One file of the routing table."""

    format: int = FORMAT
    server: str
    """``namespace/name`` of the WebhookServer."""
    name: str
    """One of `FILE_NAMES`."""
    revision: str = ""
    """A random text, new with each change of content.

    It is not a digest, so nobody can test guessed passwords against it.
    """
    settings: ServerSettings | None = None
    """Set in the shard named `SETTINGS`, and in no other."""
    accounts: tuple[Account, ...] = ()
    """Sorted by name, like the destinations."""
    destinations: tuple[Destination, ...] = ()
    reserved: tuple[ReservedKeys, ...] = ()

    def holds_same(self, other: "Shard | None") -> bool:
        """Whether the contents are equal, apart from revisions."""
        return other is not None and msgspec.structs.replace(other, revision=self.revision) == self


def shard_name(resource_name: str) -> str:
    """The shard, ``00`` … ``62``, of an account or a destination named ``namespace/name``."""
    digest = hashlib.sha256(resource_name.encode()).digest()
    return SHARD_NAMES[int.from_bytes(digest[:8], "big") % SHARDS]


def encode(shard: Shard) -> bytes:
    """The shard as JSON; equal shards give equal bytes."""
    return _ENCODER.encode(shard)


def decode(data: bytes) -> Shard:
    """Read a shard and check that everything in it belongs there.

    Raises:
        ShardError: this version can't read the shard.
    """
    try:
        head = _HEAD.decode(data)
        if head.format != FORMAT:
            raise ShardError(
                f"format {head.format} is not known to this version (it reads {FORMAT}); upgrade the server"
            )
        shard = _DECODER.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ShardError(f"not a shard: {_without_values(error)}") from None
    _check(shard)
    return shard


def split(table: RoutingTable) -> dict[str, Shard]:
    """The settings and each shard with entries, by name, without revisions."""
    accounts: defaultdict[str, list[Account]] = defaultdict(list)
    destinations: defaultdict[str, list[Destination]] = defaultdict(list)
    for account in table.accounts:
        accounts[shard_name(account.name)].append(account)
    for destination in table.destinations:
        destinations[shard_name(destination.name)].append(destination)
    server = table.server.name
    shards = {
        name: make(server, name, accounts=accounts[name], destinations=destinations[name])
        for name in sorted({*accounts, *destinations})
    }
    return {SETTINGS: Shard(server=server, name=SETTINGS, settings=table.server), **shards}


def make(server: str, name: str, *, accounts: Iterable[Account], destinations: Iterable[Destination]) -> Shard:
    """A shard without a revision, from resources in any order."""
    return Shard(
        server=server,
        name=name,
        accounts=tuple(sorted(accounts, key=lambda entry: entry.name)),
        destinations=tuple(sorted(destinations, key=lambda entry: entry.name)),
    )


def join(shards: Iterable[Shard]) -> RoutingTable:
    """The table of these shards, one of which must be the settings.

    Raises:
        ShardError: no settings, two shards of one name, or shards of several servers.
    """
    by_name: dict[str, Shard] = {}
    for shard in shards:
        if shard.name in by_name:
            raise ShardError(f"duplicate shard {shard.name}")
        by_name[shard.name] = shard
    settings = by_name[SETTINGS].settings if SETTINGS in by_name else None
    if settings is None:
        raise ShardError("there are no settings")
    strangers = sorted({shard.server for shard in by_name.values()} - {settings.name})
    if strangers:
        raise ShardError(f"shards of {', '.join(strangers)} among those of {settings.name}")
    parts = by_name.values()
    return RoutingTable(
        server=settings,
        accounts=tuple(sorted((account for part in parts for account in part.accounts), key=lambda entry: entry.name)),
        destinations=tuple(
            sorted((destination for part in parts for destination in part.destinations), key=lambda entry: entry.name)
        ),
    )


class _Head(msgspec.Struct):
    """The fields that every format has, including later ones."""

    format: int


_ENCODER: Final = msgspec.json.Encoder(order="deterministic")
_HEAD: Final = msgspec.json.Decoder(_Head)
_DECODER: Final = msgspec.json.Decoder(Shard)


def _check(shard: Shard) -> None:
    if shard.name not in FILE_NAMES:
        raise ShardError(f"no shard has this name; the names are {SETTINGS} and 00 to {SHARD_NAMES[-1]}")
    if (shard.settings is None) == (shard.name == SETTINGS):
        raise ShardError(f"shard {shard.name} has settings that belong elsewhere, or none")
    if shard.settings is not None and shard.settings.name != shard.server:
        raise ShardError(f"the settings are those of another server than {shard.server}")
    for kind, part in (
        ("accounts", shard.accounts),
        ("destinations", shard.destinations),
        ("reserved keys", shard.reserved),
    ):
        names = [entry.name for entry in part]
        if any(shard_name(name) != shard.name for name in names):
            raise ShardError(f"some {kind} in shard {shard.name} belong in another one")
        if len(set(names)) != len(names):
            raise ShardError(f"two {kind} in shard {shard.name} have the same name")


def _without_values(error: Exception) -> str:
    """The message up to the first value that it quotes, and the path after it."""
    text = str(error)
    complaint, _, path = text.partition(" - at ")
    quoted = complaint.partition(" '")[0]
    return f"{quoted} - at {path}" if path else quoted


__all__ = [
    "FILE",
    "FILE_NAMES",
    "FORMAT",
    "MOST_BYTES",
    "SETTINGS",
    "SHARDS",
    "SHARD_NAMES",
    "ReservedKey",
    "ReservedKeys",
    "Shard",
    "ShardError",
    "decode",
    "encode",
    "join",
    "make",
    "shard_name",
    "split",
]
