"""The receiving processes' part of a routing table: the keys, and the filters of PushConfigs. Pure.

It contains nothing about pushing: no URL, no header, no secret. It contains an account's own keys only if they verify
signatures. It is packed in pieces: packing or unpacking 10,000 clients in one step would hold the interpreter lock for
tens of milliseconds.
"""

from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

import msgspec

from trackpush_api.routing import Account, Destination, Limits, RoutingTable, ServerSettings
from trackpush_server.receiving import wire

_PIECE: Final = 256

_T = TypeVar("_T", Account, Destination)

_encode = msgspec.msgpack.Encoder().encode


class Packed(msgspec.Struct, frozen=True, array_like=True):
    """A table, packed for sending."""

    number: int
    """The main process's number of this table; the receiving process returns it when it serves the table."""
    complete: bool
    server: bytes
    accounts: list[bytes]
    destinations: list[bytes]


def pack(table: RoutingTable, *, number: int, complete: bool, receivers: int) -> bytes:
    """The frame for one of ``receivers`` receiving processes; each gets its share of the limits."""
    whole = table.server
    server = ServerSettings(  # copied field by field, because other fields may contain secrets
        name=whole.name,
        hosts=whole.hosts,
        base_path=whole.base_path,
        limits=share(whole.limits, receivers),
        definitions=whole.definitions,
    )
    destinations = [
        Destination(name=destination.name, url="", filter=destination.filter, drop_late=destination.drop_late)
        for destination in table.destinations
    ]
    packed = Packed(number, complete, _encode(server), list(_pack(table.accounts)), list(_pack(destinations)))
    return wire.frame(wire.FrameKind.TABLE, _encode(packed))


def unpack(payload: bytes) -> tuple[Packed, RoutingTable]:
    packed = msgspec.msgpack.decode(payload, type=Packed)
    table = RoutingTable(
        server=msgspec.msgpack.decode(packed.server, type=ServerSettings),
        accounts=tuple(_unpack(packed.accounts, Account)),
        destinations=tuple(_unpack(packed.destinations, Destination)),
    )
    return packed, table


def share(limits: Limits, receivers: int) -> Limits:
    """The limits of one of several receiving processes. Their sums are at least the limits of a single process."""
    return msgspec.structs.replace(
        limits,
        max_connections=-(-limits.max_connections // receivers),
        max_connections_per_peer=-(-limits.max_connections_per_peer // receivers),
        max_concurrent_requests=-(-limits.max_concurrent_requests // receivers),
    )


def _pack(values: Sequence[_T]) -> Iterator[bytes]:
    for start in range(0, len(values), _PIECE):
        yield _encode(values[start : start + _PIECE])


def _unpack(pieces: Sequence[bytes], kind: type[_T]) -> Iterator[_T]:
    decoder = msgspec.msgpack.Decoder(list[kind])  # type: ignore[valid-type]
    for piece in pieces:
        yield from decoder.decode(piece)
