"""Any body through any definition gives updates or a refusal; any definition is compiled or refused with reasons.

`make long` tries a hundred times as many: a fiftieth of ``TRACKPUSH_FUZZ`` for each definition.
``TRACKPUSH_SEED`` repeats a run.
"""

import os
import random
from collections import Counter
from itertools import islice
from typing import Any

import msgspec
import pytest
from pydantic import ValidationError

from fuzz.definitions import bodies, changed, given_specs
from support.examples import examples
from trackpush_aggregators import MalformedBodyError, TooManyUpdatesError, decode, parse, strangers
from trackpush_aggregators.definition import Examined, compile_definition, examine
from trackpush_aggregators.definition.draft import draft
from trackpush_aggregators.definition.draft_guess import UndraftableError
from trackpush_aggregators.reader import Reader
from trackpush_aggregators.updates import notification, update_key
from trackpush_api.kinds.aggregator_definition import AggregatorDefinitionSpec
from trackpush_api.yaml_reader import read_documents

MANY = int(os.environ.get("TRACKPUSH_FUZZ") or 1_000_000) // 50
FEW = max(examples(200), 100)
NOW = 1_790_000_000_000
SPECS = {spec["path"]: spec for spec in given_specs()}


@pytest.fixture
def seed() -> int:
    chosen = int(os.environ.get("TRACKPUSH_SEED") or random.SystemRandom().randrange(10**6))
    print(f"TRACKPUSH_SEED={chosen}")  # noqa: T201  shown when it fails, to run it again
    return chosen


def follow(reader: Reader, body: bytes) -> str:
    """What becomes of a body; whatever is read from it can be encoded, identified and parsed again."""
    try:
        document = decode(body)
        strangers.look(reader, document, body, received_at=NOW)
        parsed = parse(reader, document, body, key="k-12345678", received_at=NOW)
    except (MalformedBodyError, TooManyUpdatesError):
        return "refused"
    for update in parsed.updates:
        msgspec.json.encode(notification(update, NOW))
        assert isinstance(msgspec.json.decode(update.body), dict)
        assert len(update_key("acme/x", update)) == 16
        update.shipment.encode()
    for leftover in parsed.leftovers:
        parse(reader, decode(leftover.body, leftover.content_type), leftover.body, key=None, received_at=NOW)
    return "updates" if parsed.updates else "kept" if parsed.leftovers else "probe"


def follow_many(path: str, seed: int, number: int) -> None:
    rng = random.Random(f"{path} {seed}")  # noqa: S311  repeatable, not secret
    reader = compile_definition(path, AggregatorDefinitionSpec.model_validate(SPECS[path]))
    counts = Counter(follow(reader, body) for body in islice(bodies(rng, SPECS[path]), number))
    assert counts["updates"] > number * 0.1, counts


@pytest.mark.parametrize("path", SPECS)
def test_fuzzed_bodies_give_updates_or_are_refused(path: str, seed: int) -> None:
    follow_many(path, seed, FEW)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("path", SPECS)
def test_very_many_fuzzed_bodies_give_updates_or_are_refused(path: str, seed: int) -> None:
    follow_many(path, seed, MANY)


def compile_many(seed: int, number: int) -> None:
    rng = random.Random(seed)  # noqa: S311  repeatable, not secret
    counts: Counter[str] = Counter()
    for _ in range(number):
        given = rng.choice(list(SPECS.values()))
        spec: dict[str, Any] = changed(rng, given, times=rng.choice((1, 1, 2, 4)))
        counts[_outcome(rng, spec)] += 1
    assert counts["compiled"] > number * 0.1, counts
    assert counts["mistakes"] > 0, counts


def _outcome(rng: random.Random, spec: dict[str, Any]) -> str:
    try:
        model = AggregatorDefinitionSpec.model_validate(spec)
    except ValidationError:
        return "invalid"
    examined: Examined = examine("fuzzed", model)
    assert all(fault.field.startswith("spec") and fault.message for fault in examined.faults)
    assert all(str(failure) for failure in examined.failures)
    if examined.reader is None:
        return "mistakes"
    for body in islice(bodies(rng, spec), 5):
        follow(examined.reader, body)
    return "compiled"


def test_fuzzed_definitions_are_compiled_or_refused(seed: int) -> None:
    compile_many(seed, FEW)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_very_many_fuzzed_definitions_are_compiled_or_refused(seed: int) -> None:
    compile_many(seed, MANY // 4)


def test_fuzzed_bodies_are_drafted_or_refused(seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311  repeatable, not secret
    counts: Counter[str] = Counter()
    for spec in SPECS.values():
        for body in islice(bodies(rng, spec), 8):
            try:
                (document,) = read_documents(draft("fuzzed", body))
            except UndraftableError:
                counts["refused"] += 1
                continue
            examined = examine("fuzzed", AggregatorDefinitionSpec.model_validate(document.value["spec"]))
            assert examined.usable, (body, examined.faults, examined.failures)
            counts["drafted"] += 1
    assert counts["drafted"] > 10, counts
