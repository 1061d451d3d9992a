"""The protocol between main process and receiving process on their socket pair. Pure.

A frame is the payload's length (4 bytes), its kind (1 byte) and the payload (msgpack). Both ends always have the same
version, so they need not negotiate one.
"""

import struct
from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import Final

import msgspec

from trackpush_server.journal.inbox import NewUnrecognised
from trackpush_server.journal.model import NewUpdate
from trackpush_server.telemetry.summed import Samples
from trackpush_server.telemetry.unknown_codes import CodeCounts
from trackpush_server.telemetry.unknown_keys import UnknownKeyCounts

HEAD: Final = struct.Struct("=IB")
MOST_BYTES: Final = 1 << 28
"""Maximum size of one payload. A larger frame is invalid."""

OVERLOADED: Final = -1
"""Instead of a count: nothing was stored, because the queue is full."""
UNAVAILABLE: Final = -2
"""Instead of a count: nothing was stored, because the journal is unavailable."""


class FrameKind(IntEnum):
    """The kinds of frames."""

    APPEND = 1
    """To the main process: updates by request; the sender numbers its requests."""
    ANSWER = 2
    """To the receiving process: for each number, how many updates were new, now that they are on disk; or why they were
    not stored.
    """
    TABLE = 3
    """To the receiving process: serve this table from now on."""
    TAKEN = 4
    """To the main process: this table is now served."""
    OPEN = 5
    """To the receiving process: listen."""
    ACCEPTING = 6
    """To the main process: the receiving process listens."""
    COUNTS = 7
    """To the main process, every second: all samples of the receiving process's metrics."""
    DRAIN = 8
    """To the receiving process: answer open requests, then exit."""
    KEEP = 9
    """To the main process: one request's unrecognised bodies, with its number; ANSWER answers it."""
    UNKNOWN_CODES = 10
    """To the main process, at most every second: the unknown codes since the last report."""
    UNKNOWN_KEYS = 11
    """To the main process, at most every second: the requests with an unknown key since the last report."""


class WireError(Exception):
    """The other end sent an invalid frame."""


Appends = list[tuple[int, tuple[NewUpdate, ...]]]
Answers = list[tuple[int, int]]
Keeping = tuple[int, tuple[NewUnrecognised, ...]]

_encode = msgspec.msgpack.Encoder().encode
_appends = msgspec.msgpack.Decoder(Appends)
_answers = msgspec.msgpack.Decoder(Answers)
_keeping: msgspec.msgpack.Decoder[Keeping] = msgspec.msgpack.Decoder(Keeping)
_counts = msgspec.msgpack.Decoder(Samples)
_unknown_codes = msgspec.msgpack.Decoder(CodeCounts)
_unknown_keys = msgspec.msgpack.Decoder(UnknownKeyCounts)


def frame(kind: FrameKind, payload: bytes = b"") -> bytes:
    return HEAD.pack(len(payload), kind) + payload


def appends(requests: Appends) -> bytes:
    return frame(FrameKind.APPEND, _encode(requests))


def read_appends(payload: bytes) -> Appends:
    return _appends.decode(payload)


def keep(number: int, bodies: tuple[NewUnrecognised, ...]) -> bytes:
    """A frame with a request's unrecognised bodies."""
    return frame(FrameKind.KEEP, _encode((number, bodies)))


def read_keep(payload: bytes) -> Keeping:
    return _keeping.decode(payload)


def answers(counts: Sequence[tuple[int, int]]) -> bytes:
    return frame(FrameKind.ANSWER, _encode(counts))


def read_answers(payload: bytes) -> Answers:
    return _answers.decode(payload)


def counts(samples: Samples) -> bytes:
    return frame(FrameKind.COUNTS, _encode(samples))


def read_counts(payload: bytes) -> Samples:
    return _counts.decode(payload)


def unknown_codes(counted: CodeCounts) -> bytes:
    return frame(FrameKind.UNKNOWN_CODES, _encode(counted))


def read_unknown_codes(payload: bytes) -> CodeCounts:
    return _unknown_codes.decode(payload)


def unknown_keys(counted: UnknownKeyCounts) -> bytes:
    return frame(FrameKind.UNKNOWN_KEYS, _encode(counted))


def read_unknown_keys(payload: bytes) -> UnknownKeyCounts:
    return _unknown_keys.decode(payload)


def taken(number: int) -> bytes:
    """A frame which says that the table with this number is served."""
    return frame(FrameKind.TAKEN, number.to_bytes(8, "big"))


def read_taken(payload: bytes) -> int:
    """The number of a table that is served."""
    return int.from_bytes(payload, "big")


class Frames:
    """Splits a stream of bytes into frames."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._held = 0
        self._wanted = HEAD.size

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """The frames that are complete after these bytes, as kind and payload.

        Raises:
            WireError: the bytes are not valid frames.
        """
        self._parts.append(data)
        self._held += len(data)
        if self._held < self._wanted:  # a large frame arrives in many reads: join them only once
            return
        whole = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        at, end = 0, len(whole)
        self._wanted = HEAD.size
        while end - at >= HEAD.size:
            size, kind = HEAD.unpack_from(whole, at)
            if size > MOST_BYTES:
                raise WireError(f"a frame of {size} bytes")
            if end - at < HEAD.size + size:
                self._wanted = HEAD.size + size
                break
            at += HEAD.size
            yield kind, whole[at : at + size]
            at += size
        rest = whole[at:] if at else whole
        self._parts = [rest] if rest else []
        self._held = len(rest)
