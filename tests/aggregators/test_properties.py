"""Whatever JSON comes, there are updates, a probe or a refusal; and what comes out can be stored and pushed."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aggregators.bodies import SAMPLES
from support.examples import examples
from trackpush_aggregators import MalformedBodyError, body_key, decode, parse
from trackpush_aggregators.updates import TrackingUpdate, notification, update_key
from trackpush_api.vocabulary import Aggregator

CASES = json.loads((SAMPLES / "cases.json").read_text())
REAL = {
    each: [json.loads((SAMPLES / case["file"]).read_text()) for case in CASES if case["aggregator"] == each.slug]
    for each in Aggregator
}
KEY = "s3cr3t/k\u00e9y"
_ODD_TEXTS = st.sampled_from(["NA", "null", "", "0000-00-00 00:00:00", "\x00", "RTO", "8", "-1", "99999-01-01", KEY])
_ODD_NUMBERS = st.sampled_from([10**400, -(10**30), 2**63, 0, -1, 8, 101, 1.5, 1e300, True])
_TEXTS = st.text(max_size=12) | _ODD_TEXTS
_LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | _ODD_NUMBERS | _TEXTS


def _names(value: Any) -> set[str]:
    if isinstance(value, dict):
        return {*value, *(name for each in value.values() for name in _names(each))}
    return {name for each in value for name in _names(each)} if isinstance(value, list) else set()


NAMES = {each: sorted(_names(REAL[each]) | {"payload", "internal", "url", "key", "hash"}) for each in Aggregator}


def anything(aggregator: Aggregator) -> st.SearchStrategy[Any]:
    """Any JSON value, its objects preferably with the aggregator's own member names."""
    names = st.sampled_from(NAMES[aggregator]) | _TEXTS
    return st.recursive(_LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=8))


@st.composite
def mutated(draw: st.DrawFn, aggregator: Aggregator) -> Any:
    """A real body with some members, at any depth, replaced by anything or gone."""
    document = json.loads(json.dumps(draw(st.sampled_from(REAL[aggregator]))))
    for _ in range(draw(st.integers(1, 4))):
        holder, place = document, None
        while isinstance(holder, dict | list) and holder:
            place = draw(st.sampled_from(sorted(holder) if isinstance(holder, dict) else range(len(holder))))
            if not isinstance(holder[place], dict | list) or not holder[place] or draw(st.booleans()):
                break
            holder = holder[place]
        if place is None:
            continue
        if draw(st.integers(0, 4)):
            holder[place] = draw(anything(aggregator))
        else:
            del holder[place]
    return draw(st.sampled_from([document, [document], [document, document]]))


def bodies(aggregator: Aggregator) -> st.SearchStrategy[bytes]:
    """Bytes of bodies: JSON as Python writes it (with lone surrogates and NaN), with bytes broken now and then."""
    documents = anything(aggregator) | mutated(aggregator)
    encoded = documents.map(lambda document: json.dumps(document).encode())
    unescaped = documents.map(
        lambda document: json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogatepass")
    )
    broken = st.tuples(encoded, st.integers(0, 3000), st.binary(min_size=1, max_size=3)).map(
        lambda parts: parts[0][: parts[1]] + parts[2] + parts[0][parts[1] :]
    )
    return encoded | unescaped | broken | st.binary(max_size=40)


def texts(value: Any) -> list[str]:
    """Every string in a document, names included."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for pair in value.items() for each in pair for text in texts(each)]
    return [text for each in value for text in texts(each)] if isinstance(value, list) else []


def holds(update: TrackingUpdate, aggregator: Aggregator) -> None:
    """What every update promises."""
    assert update.aggregator is aggregator
    assert update.shipment
    assert update.identity
    update_key("a/b", update)
    content = msgspec.json.decode(msgspec.json.encode(notification(update, 0)))
    assert all("\x00" not in text and len(text) <= 2048 for text in texts(content))
    stored = msgspec.json.decode(update.body)
    assert not any(KEY in text for text in texts(stored))


@pytest.mark.slow
@pytest.mark.parametrize("aggregator", Aggregator)
def test_any_body_gives_updates_a_probe_or_a_refusal(aggregator: Aggregator) -> None:
    outcomes = set()

    @settings(max_examples=examples(200), deadline=None, suppress_health_check=list(HealthCheck))
    @given(bodies(aggregator))
    def check(body: bytes) -> None:
        try:
            document = decode(body)
            parsed = parse(aggregator, document, body, key=KEY, received_at=1_790_000_000_000)
        except MalformedBodyError:
            outcomes.add("refused")
            return
        outcomes.add("updates" if parsed.updates else "probe")
        assert parsed.identified == bool(parsed.updates)
        body_key(aggregator, document)
        for update in parsed.updates:
            holds(update, aggregator)

    check()
    assert outcomes == {"updates", "probe", "refused"}, "the generated bodies must reach every outcome"


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: _without_secrets(each)
            for name, each in value.items()
            if name not in {"hash", "internal", "callback_url", "status_feed"}
        }
    return [_without_secrets(each) for each in value] if isinstance(value, list) else value


@pytest.mark.slow
@pytest.mark.parametrize("aggregator", Aggregator)
def test_a_valid_single_body_without_secrets_leaves_as_it_came(aggregator: Aggregator) -> None:
    stored = []

    @settings(max_examples=examples(60), deadline=None, suppress_health_check=list(HealthCheck))
    @given(mutated(aggregator).map(_without_secrets))
    def check(document: Any) -> None:
        body = json.dumps(document, indent=1).encode()
        decoded = decode(body)
        if not isinstance(decoded, dict):  # a batch, or repaired
            return
        for update in parse(aggregator, decoded, body, key=None, received_at=1_790_000_000_000).updates:
            stored.append(update)
            assert update.body == body

    check()
    assert stored
