"""The letters of a body are right whatever charset it comes in, and no two bodies become one."""

import codecs
import json

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregators.bodies import CLICKPOST, NOW, SHIPWAY
from support.examples import examples
from support.rows import every_row
from trackpush_aggregators import decode, parse
from trackpush_aggregators.charset import declared, texts
from trackpush_aggregators.updates import TrackingUpdate


def read(body: bytes, content_type: str) -> TrackingUpdate:
    (update,) = parse(CLICKPOST, decode(body, content_type), body, key=None, received_at=NOW).updates
    return update


@every_row(
    ("text", "charset", "content_type"),
    [
        ("Café", "latin-1", "application/json; charset=ISO-8859-1"),
        ("Café", "latin-1", 'application/json;charset="iso-8859-1"'),
        ("Café", "latin-1", "application/json; Charset = latin1; x=y"),
        ("Łódź", "iso8859-2", "application/json; charset=ISO-8859-2"),
        ("дом", "koi8-r", "text/plain; charset=KOI8-R"),
        ("дом", "cp1251", "application/json; charset=windows-1251"),
        ("東京", "shift_jis", "application/json; charset=Shift_JIS"),
        ("東京", "iso2022_jp", "application/json; charset=ISO-2022-JP"),
        ("北京", "gb18030", "application/json; charset=GB18030"),
        ("नमस्ते ₹", "utf-16", "application/json; charset=UTF-16"),
        ("नमस्ते ₹", "utf-16-le", "application/json; charset=utf-16le"),
        ("नमस्ते ₹", "utf-16-be", ""),
        ("नमस्ते ₹", "utf-32", "application/json"),
        ("नमस्ते ₹", "utf-8-sig", "application/json; charset=utf-8"),
        ("नमस्ते ₹", "utf-8", "application/json; charset=nobody-knows-this"),
        ("नमस्ते ₹", "utf-8", "application/json; charset=us-ascii"),
        ("नमस्ते ₹", "utf-8", "application/json; charset=utf-16"),
        ("Café “Ok” €", "cp1252", "application/json"),
        ("Café “Ok” €", "cp1252", "application/json; charset=utf-8"),
        ("Café “Ok” €", "cp1252", "application/json; charset=base64"),
        ("Café “Ok” €", "cp1252", "application/json; charset=nobody-knows-this"),
        ("Café + x", "utf-7", "application/json; charset=utf-7"),
    ],
)
def test_the_letters_are_right_in_the_canonical_form_and_in_the_raw_body(
    text: str, charset: str, content_type: str
) -> None:
    body = json.dumps({"waybill": "1", "remark": text, "n": [1]}, ensure_ascii=False).encode(charset)

    update = read(body.replace(b"[1]", b"[1.10]"), content_type)

    assert update.remark == text
    assert msgspec.json.decode(update.body)["remark"] == text


def test_a_body_in_another_charset_keeps_its_numbers_and_its_spaces() -> None:
    update = read(b'{ "waybill" : 19041424751540.0, "remark": "\xe9", "price": 1.10 }', "text/json; charset=latin-1")

    assert update.body == b'{ "waybill" : 19041424751540.0, "remark": "\xc3\xa9", "price": 1.10 }'


@every_row(
    "name",
    [
        "base64",
        "rot13",
        "rot_13",
        "zlib",
        "bz2",
        "hex",
        "quopri",
        "uu",
        "idna",
        "punycode",
        "undefined",
        "unicode_escape",
        "raw_unicode_escape",
        "unicode-escape",
        "charmap",
        "mbcs",
        "aliases",
        "../os",
        "__init__",
        "x" * 41,
        "",
    ],
)
def test_what_is_no_charset_of_a_text_is_not_used(name: str) -> None:
    assert declared(f"application/json; charset={name}") is None


def test_unknown_names_are_not_looked_up_in_python() -> None:
    searched: list[str] = []

    def search(name: str) -> None:
        searched.append(name)

    codecs.register(search)
    try:
        for number in range(100):
            assert declared(f"application/json; charset=stranger-{number}") is None
    finally:
        codecs.unregister(search)
    assert searched == []


@every_row("content_type", ["", "a/b; charset=iso-8859-1", "a/b; charset=cp1251", "a/b; charset=utf-16"])
def test_any_bytes_are_some_text_and_no_two_in_one_charset_are_the_same_text(content_type: str) -> None:
    @settings(max_examples=examples(300), deadline=None)
    @given(st.binary(max_size=6), st.binary(max_size=6))
    def check(body: bytes, other: bytes) -> None:
        first, second = next(texts(body, content_type)), next(texts(other, content_type))
        alike = body == other or {_as(body, first), _as(other, second)} != {None}
        assert (first == second) <= alike

    check()
    singles = [next(texts(b"\xe9" + bytes([byte]), "")) for byte in range(256)]
    assert len(set(singles)) == 256


def _as(body: bytes, text: str) -> str | None:
    """By which UTF the bytes stand for the text: the same text in UTF-8 and in Windows-1252 is one text."""
    for name in ("utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"):
        try:
            if body.decode(name) == text:
                return name
        except UnicodeDecodeError:
            continue
    return None


def test_orders_that_differ_in_one_byte_that_is_not_utf8_stay_different() -> None:
    orders = set()
    for byte in range(0x80, 0x100):
        body = b'{"order_id": "Caf%c-100", "current_status": "DEL"}' % byte
        (update,) = parse(SHIPWAY, decode(body), body, key=None, received_at=NOW).updates
        orders.add((update.order_id, update.identity))
    assert len(orders) == 128
