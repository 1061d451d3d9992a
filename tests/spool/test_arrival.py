"""Lines of the spool: what is read is what was written, or is recognised as incomplete."""

import contextlib
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from fuzz.seeds import seeds
from spool.given import ACCOUNT, NOW, parsed, tracking
from trackpush_aggregators import Leftover, MalformedBodyError, decode, parse
from trackpush_api.routing import Encryption
from trackpush_api.vocabulary import Aggregator, Status
from trackpush_server.journal.sealing import Sealer
from trackpush_server.spool.arrival import BadLineError, SpooledRequest, arrival_of, line_of, nonces, without_keys

PLAIN = Sealer(os.urandom)


def arrival(*, body: bytes = b"x", identity: str = "a") -> SpooledRequest:
    leftover = Leftover(body=body, content_type="text/plain", names=())
    request = parsed(tracking("S", Status.DELIVERED), leftovers=(leftover,))
    return SpooledRequest(
        id=identity,
        account=without_keys(ACCOUNT),
        received_at=NOW,
        updates=request.updates,
        leftovers=request.leftovers,
    )


@given(st.binary(max_size=200))
def test_an_arrival_is_read_as_it_was_written_whatever_its_bytes(body: bytes) -> None:
    line = line_of(arrival(body=body), PLAIN)
    assert arrival_of(line, PLAIN) == arrival(body=body)
    assert line.strip().count(b"\n") == 0


@given(st.data())
def test_a_part_of_a_line_is_never_taken_for_an_arrival(data: st.DataObject) -> None:
    line = line_of(arrival(), PLAIN).strip()
    with pytest.raises(BadLineError):
        arrival_of(line[: data.draw(st.integers(0, len(line) - 1))], PLAIN)


@given(st.data())
def test_a_changed_byte_is_noticed(data: st.DataObject) -> None:
    line = bytearray(line_of(arrival(), PLAIN).strip())
    at = data.draw(st.integers(0, len(line) - 1))
    line[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(BadLineError):
        arrival_of(bytes(line), PLAIN)


def test_a_line_contains_no_key_of_the_account_and_when_encrypted_no_body() -> None:
    line = line_of(arrival(), PLAIN)
    assert ACCOUNT.key_digests
    assert arrival_of(line, PLAIN).account.key_digests == ()
    sealed = Sealer(os.urandom, Encryption(keys=(b"k" * 32,)))
    assert arrival_of(line_of(arrival(), sealed), sealed) == arrival()
    with pytest.raises(BadLineError, match=r"is not among spec\.encryption\.keys"):
        arrival_of(line_of(arrival(), sealed), PLAIN)


def test_each_read_of_a_line_gives_the_same_nonces_and_another_line_others() -> None:
    first, second, other = nonces(arrival()), nonces(arrival()), nonces(arrival(identity="b"))
    drawn = [first(), first()]
    assert drawn == [second(), second()]
    assert len({*drawn, other(), other()}) == 4


@pytest.mark.parametrize("aggregator", list(Aggregator))
def test_every_sample_of_an_aggregator_is_read_as_it_was_parsed(aggregator: Aggregator) -> None:
    parsed_samples = []
    for content in seeds(aggregator):
        with contextlib.suppress(MalformedBodyError):
            parsed_samples.append(parse(aggregator, decode(content), content, key=None, received_at=NOW))
    assert any(sample.updates for sample in parsed_samples)
    for sample in parsed_samples:
        read = arrival_of(line_of(replace(arrival(), updates=sample.updates, leftovers=sample.leftovers), PLAIN), PLAIN)
        assert (read.updates, read.leftovers) == (sample.updates, sample.leftovers)
