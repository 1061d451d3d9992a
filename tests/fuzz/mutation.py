"""Makes bodies: real ones with parts exchanged, doubled, cut and broken. The same seed gives the same bodies."""

import random
from collections.abc import Callable, Iterator
from typing import NamedTuple

from fuzz.seeds import CONTENT_TYPES, ODD, seeds
from fuzz.spans import Span, Spans, spans
from trackpush_api.vocabulary import Aggregator

_LARGEST = 65_536
"""Bytes; a larger body costs time and shows nothing that a smaller one does not."""
_MOST_BATCH = 8


class Made(NamedTuple):
    """One body and the header that describes it."""

    body: bytes
    content_type: str


class Bodies:
    """An endless supply of bodies for one aggregator."""

    def __init__(self, aggregator: Aggregator, seed: int) -> None:
        self._random = random.Random(f"{aggregator.slug} {seed}")  # noqa: S311  repeatable, not secret
        self._texts = [(text, spans(text)) for text in seeds(aggregator)]
        self._values = [text[span.start : span.end] for text, parts in self._texts for span in parts.values]
        self._members = [text[span.start : span.end] for text, parts in self._texts for span in parts.members]

    def __iter__(self) -> Iterator[Made]:
        while True:
            body = self._body()[:_LARGEST]
            kind = self._random.random()
            yield Made(body, "application/json" if kind < 0.9 else self._random.choice(CONTENT_TYPES))

    def _body(self) -> bytes:
        rng = self._random
        kind = rng.random()
        body = self._mutated()
        if kind < 0.10:
            return _broken(rng, body)
        if kind < 0.16:
            return b"[" + b",".join([body, *(self._mutated() for _ in range(rng.randrange(_MOST_BATCH)))]) + b"]"
        if kind < 0.18:
            return rng.choice(ODD)
        return body

    def _mutated(self) -> bytes:
        """A real body with one to four parts changed, at any depth."""
        rng = self._random
        text, parts = rng.choice(self._texts)
        changes = sorted((self._change(text, parts) for _ in range(rng.choice((1, 1, 2, 2, 3, 4)))), reverse=True)
        end = len(text)
        for span, new in changes:
            if span.end <= end:  # parts that overlap: the later one wins
                text = text[: span.start] + new + text[span.end :]
                end = span.start
        return text

    def _change(self, text: bytes, parts: Spans) -> tuple[Span, bytes]:
        rng = self._random
        kind = rng.random()
        if kind < 0.45 or not parts.members:
            return rng.choice(parts.values), rng.choice(ODD)
        if kind < 0.7:
            return rng.choice(parts.values), rng.choice(self._values)
        member = rng.choice(parts.members)
        if kind < 0.8:
            return member, text[member.start : member.end] + b"," + rng.choice(self._members)
        if kind < 0.9:
            return member, rng.choice(self._members)
        return member, b'"dropped":0'


def _broken(rng: random.Random, body: bytes) -> bytes:
    """Bytes changed without regard to JSON."""
    for _ in range(rng.randint(1, 3)):
        body = rng.choice(_BREAKS)(rng, body)
    return body


def _cut(rng: random.Random, body: bytes) -> bytes:
    return body[: rng.randrange(len(body) + 1)]


def _flip(rng: random.Random, body: bytes) -> bytes:
    at = rng.randrange(len(body) + 1)
    return body[:at] + bytes([rng.randrange(256)]) + body[at + 1 :]


def _insert(rng: random.Random, body: bytes) -> bytes:
    at = rng.randrange(len(body) + 1)
    return body[:at] + rng.randbytes(rng.randint(1, 4)) + body[at:]


def _remove(rng: random.Random, body: bytes) -> bytes:
    at = rng.randrange(len(body) + 1)
    return body[:at] + body[at + rng.randint(1, 30) :]


def _mark(_: random.Random, body: bytes) -> bytes:
    return b"\xef\xbb\xbf" + body


_BREAKS: tuple[Callable[[random.Random, bytes], bytes], ...] = (_cut, _flip, _flip, _insert, _remove, _mark)
