"""Writes a drafted definition as YAML with comments."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from trackpush_aggregators.definition.draft_guess import DraftGuess
from trackpush_aggregators.definition.leaves import first_object, leaves
from trackpush_aggregators.definition.rows import escaped, quoted, table_row
from trackpush_aggregators.definition.samples import shown
from trackpush_aggregators.updates import TrackingUpdate
from trackpush_api.vocabulary import Status

_LONG: Final = 500
_MOST_LABELS: Final = 4
_PLAIN: Final = re.compile(r"[A-Za-z_][\w.-]*")
_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")
_SHOWN: Final = ("awb", "orderId", "status", "direction", "code", "label", "occurredAt")


class DraftRow(NamedTuple):
    """A row of the status table."""

    code: str
    labels: tuple[str, ...]
    """The aggregator's words for the code in the body."""
    status: Status
    certain: bool
    """Whether the code alone decides: all its labels suggest the same status."""


def draft_lines(
    name: str, guess: DraftGuess, rows: Sequence[DraftRow], expected: Sequence[TrackingUpdate], body: str
) -> Iterator[str]:
    """The lines of the resource; ``body`` is the sample, and ``expected`` are its updates."""
    yield from _head(name, guess)
    if guess.steps:
        yield "  updates:"
        for variable, path in guess.steps:
            yield f"    - {{as: {variable}, in: {quoted(path)}}}"
    yield "  fields: # guessed by the names of members"
    for field, path in guess.fields.items():
        yield f"    {field}: {_scalar(path)}"
    yield from _time_lines(guess)
    yield from _status_lines(guess, rows)
    if guess.redact:
        yield "  redact: # probably personal data, secrets or pictures"
        for path in guess.redact:
            yield f"    - {_scalar(path)}"
    yield from _sample_lines(body, expected)


def _head(name: str, guess: DraftGuess) -> Iterator[str]:
    yield "# A first definition, guessed from one body. Correct what is wrong, add rows and samples, and run:"
    yield "#   trackpush aggregators test FILE -v"
    yield "apiVersion: trackpush.dev/v1alpha1"
    yield "kind: AggregatorDefinition"
    yield "metadata:"
    yield f"  name: {name}"
    yield "  namespace: trackpush # the namespace of the WebhookServer"
    yield "spec:"
    yield f"  path: {name} # POST {{basePath}}/{name}/notify"
    yield "  # authentication: # a key in the URL (/notify/KEY) always works"
    yield "  #   key: {headers: [X-Api-Key]}"
    yield '  #   signature: {header: X-Signature, encoding: Hex, prefix: "sha256="}'
    if guess.zoned:
        yield "  timezone: UTC # of times without a zone"
    else:
        yield "  timezone: Asia/Kolkata # a guess: the times in the body name no zone"


def _status_lines(guess: DraftGuess, rows: Sequence[DraftRow]) -> Iterator[str]:
    yield "  status:"
    if guess.code is None:
        yield f"    code: {_scalar(next(iter(guess.fields.values())))} # no member looks like a status: write its path"
    else:
        yield f"    code: {_scalar(guess.code)}"
    if guess.label is not None:
        yield f"    label: {_scalar(guess.label)}"
    yield "    table: # guessed by the words; add the aggregator's other codes" if rows else "    table: []"
    for row in rows:
        yield f"      {table_row([row.code], row.status, _row_comment(row))}"


def _row_comment(row: DraftRow) -> str:
    words = "; ".join(escaped(label) for label in row.labels[:_MOST_LABELS] if label != row.code)
    return words if row.certain or not words else f"several meanings, so add another member to status.code: {words}"


def _sample_lines(body: str, expected: Sequence[TrackingUpdate]) -> Iterator[str]:
    yield "  samples:"
    yield "    - name: first"
    yield "      body: |"
    for line in body.splitlines():
        yield f"        {line}"
    yield "      expect:" if expected else "      expect: []"
    for update in expected:
        values = {field: value for field in _SHOWN if (value := shown(field, update)) is not None}
        yield "        - " + ", ".join(f"{field}: {quoted(value)}" for field, value in values.items()).join("{}")


def _time_lines(guess: DraftGuess) -> Iterator[str]:
    if not guess.time:
        yield "    # occurredAt: no member looks like a time"
        return
    parts = ", ".join(map(quoted, guess.time))
    if guess.format is not None:
        yield f"    occurredAt: {{join: [{parts}], formats: [{quoted(guess.format)}]}}"
    elif len(guess.time) > 1:
        yield f"    occurredAt: {{join: [{parts}]}}"
    else:
        yield f"    occurredAt: {_scalar(guess.time[0])}"


def _scalar(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else quoted(text)


def shortened(document: Any, body: bytes) -> str:
    """The body as indented text in ASCII, without pictures."""
    if any(len(leaf.text) > _LONG for leaf in leaves(first_object(document))):
        body = _ENCODER.encode(_cut(document))
    text = msgspec.json.format(body, indent=2).decode()
    return re.sub(r"[^\n\x20-\x7e]", _escaped, text)


def _cut(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _cut(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_cut(element) for element in value]
    return value[:_LONG] if isinstance(value, str) else value


def _escaped(match: re.Match[str]) -> str:
    return json.dumps(match[0])[1:-1] if match[0] != "\x7f" else "\\u007f"
