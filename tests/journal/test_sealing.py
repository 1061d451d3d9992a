"""Sealed values: opened by their key alone, for their update and column alone; all else passes through."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journal.stores import sealing
from trackpush_api.routing import Encryption
from trackpush_server.journal.sealing import BODY, MARK, NOTIFICATION, PREFIX_BYTES, Sealer, UnreadableError, key_id

OLD, NEW = b"o" * 32, b"n" * 32
UPDATE = b"u" * 16
JSON = st.one_of(st.just(b""), st.binary(min_size=1).map(lambda value: b"{" + value))


@given(value=JSON, key=st.binary(min_size=16, max_size=16), column=st.sampled_from([BODY, NOTIFICATION]))
def test_what_was_sealed_is_opened_as_it_was(value: bytes, key: bytes, column: bytes) -> None:
    sealer = sealing(NEW)
    sealed = sealer.seal(value, key=key, column=column)
    assert sealer.open(sealed, key=key, column=column) == value
    assert sealer.is_current(sealed)
    assert sealer.is_current(sealed[:PREFIX_BYTES])
    assert sealed == b"" if not value else sealed.startswith(MARK + key_id(NEW))


@given(value=JSON, position=st.integers(min_value=0), bit=st.integers(min_value=0, max_value=7))
def test_no_changed_bit_goes_unnoticed(value: bytes, position: int, bit: int) -> None:
    sealer = sealing(NEW)
    sealed = bytearray(sealer.seal(b"{" + value, key=UPDATE, column=BODY))
    sealed[1 + position % (len(sealed) - 1)] ^= 1 << bit  # the mark itself tells apart what isn't sealed
    with pytest.raises(UnreadableError):
        sealer.open(bytes(sealed), key=UPDATE, column=BODY)


def test_a_value_cannot_be_moved_to_another_update_or_column() -> None:
    sealer = sealing(NEW)
    sealed = sealer.seal(b"{}", key=UPDATE, column=BODY)
    for key, column in ((b"v" * 16, BODY), (UPDATE, NOTIFICATION)):
        with pytest.raises(UnreadableError, match=f"sealed with key {key_id(NEW).hex()} and was changed since"):
            sealer.open(sealed, key=key, column=column)


def test_each_value_has_a_nonce_of_its_own() -> None:
    asked: list[int] = []

    def chance(size: int) -> bytes:
        asked.append(size)
        return os.urandom(size)

    sealer = Sealer(chance, Encryption(keys=(NEW,)))
    assert len({sealer.seal(b"{}", key=UPDATE, column=BODY) for _ in range(1000)}) == 1000
    assert asked == [12] * 1000


def test_without_keys_everything_is_stored_and_read_in_clear() -> None:
    sealer = sealing()
    assert sealer.seal(b"{}", key=UPDATE, column=BODY) == b"{}"
    assert sealer.open(b"{}", key=UPDATE, column=BODY) == b"{}"
    assert sealer.is_current(b"{}")
    assert not sealer.is_current(sealing(NEW).seal(b"{}", key=UPDATE, column=BODY))


def test_a_missing_key_is_named_by_its_id_and_never_shown() -> None:
    sealed = sealing(OLD).seal(b"{}", key=UPDATE, column=BODY)
    wanted = f"sealed with key {key_id(OLD).hex()}, which is not among spec.encryption.keys"
    with pytest.raises(UnreadableError, match=wanted) as told:
        sealing(NEW).open(sealed, key=UPDATE, column=BODY)
    assert OLD.hex() not in str(told.value)
    assert sealing(NEW).payload(key=UPDATE, notification=b"{}", body=sealed) == (b"", b"", str(told.value))


def test_rotation_overlaps_the_first_key_seals_and_all_open() -> None:
    sealer = sealing(OLD)
    before = sealer.seal(b"{}", key=UPDATE, column=BODY)
    assert sealer.use(Encryption(keys=(NEW, OLD)))
    assert not sealer.use(Encryption(keys=(NEW, OLD)))
    after = sealer.seal(b"{}", key=UPDATE, column=BODY)
    assert (sealer.is_current(before), sealer.is_current(after)) == (False, True)
    assert {sealer.open(value, key=UPDATE, column=BODY) for value in (before, after, b"{}")} == {b"{}"}


def test_decrypt_only_stores_in_clear_and_opens_what_was_sealed() -> None:
    sealed = sealing(OLD).seal(b"{}", key=UPDATE, column=BODY)
    leaving = sealing(OLD, decrypt_only=True)
    assert leaving.seal(b"{}", key=UPDATE, column=BODY) == b"{}"
    assert leaving.open(sealed, key=UPDATE, column=BODY) == b"{}"
    assert (leaving.is_current(sealed), leaving.is_current(b"{}")) == (False, True)
