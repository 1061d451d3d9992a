"""What the fuzzer starts from: real bodies of each aggregator, and values that readers of JSON stumble over."""

import json
from collections.abc import Iterator
from typing import Final

from aggregators import bodies as small
from aggregators.bodies import SAMPLES
from field.posts import ROWS
from support.bodies import body as load_body
from trackpush_api.vocabulary import Aggregator

KEY: Final = "s3cr3t-key-of-the-fuzzer"
_SEGMENTS: Final = {"clickpost": Aggregator.CLICKPOST, "st": Aggregator.SHIPROCKET, "shipway": Aggregator.SHIPWAY}
_MADE: Final = {
    Aggregator.CLICKPOST: small.clickpost,
    Aggregator.SHIPROCKET: small.shiprocket,
    Aggregator.SHIPWAY: small.shipway,
}
_WRAPPED: Final = {
    Aggregator.CLICKPOST: b'{"internal":{"key":"%s","url":"https://u:p@a.example/notify/%s?key=%s"},"payload":%s}',
    Aggregator.SHIPROCKET: b'{"data":%s,"token":"%s"}',
    Aggregator.SHIPWAY: b'{"hash":"%s","callback_url":"https://a.example/notify/%s","status_feed":[%s,%s]}',
}

ODD: Final = (
    *(b"null", b"true", b"false", b"0", b"-0", b"-1", b"8", b"1.10", b"1e300", b"1e400", b"-1e400", b"1e-400"),
    b"1E+999999",
    *(b"9" * 20, b"9" * 310, b"-" + b"9" * 5000, b"0." + b"1" * 400, b"1e99999999999999999999"),
    b"18446744073709551616",
    *(b'""', b'" "', b'"NA"', b'"null"', b'"0000-00-00 00:00:00"', b'"99999-01-01"', b'"2099-01-01T00:00:00Z"'),
    *(b'"2025-06-11T02:55:34.999999999+23:59"', b'"26th Oct 2024 08:11 AM"', b'"0001-01-01 00:00:00"'),
    b"253402300800",
    *(b"1750000000000", b'"31 02 2025 25:61:61"', b'"9999-12-31T23:59:59-23:59"', b'"1"', b'"RTO"', b'"DELIVERED"'),
    *(b'"\\u0000"', b'"\\ud800"', b'"\\udc00\\ud800"', b'"\xff"'),
    *(b'"\xed\xa0\x80"', '"\u202e\u2066é"'.encode(), b'"\x01"'),
    *(b'"\\u001b[31m"', b'"a\\u001fb"', b'"' + b"x" * 5000 + b'"', b'"' + b"\\ud83d\\ude00" * 300 + b'"', b'"a\nb"'),
    *(b"{}", b"[]", b"[[]]", b"[{}]", b'{"":null}', b'{"0":{}}', b'{"0":1,"00":2}', b'{"\xc2\xb2":{}}'),
    b'[null,1,"x",{}]',
    *(b"[" * 63 + b"]" * 63, b"[" * 65 + b"]" * 65, b'{"a":' * 970 + b"1" + b"}" * 970, b"[" * 2000 + b"]" * 2000),
    *(b"NaN", b"Infinity", b"-", b"'a'", b"tru", b"", b"\\", b'"', b"{", b"]", b"\x00", b"\xef\xbb\xbf"),
    b'"%s"' % KEY.encode(),
    b'"https://u:%s@h.example/notify/%s?key=%s#f"' % ((KEY.encode(),) * 3),
)  # fmt: skip
"""Values, most of them valid JSON. Integers beyond 4,300 digits, halves of pairs, depth, times that never were."""

CONTENT_TYPES: Final = (
    *("", "application/json", "application/json; charset=utf-8", "application/json; charset=ISO-8859-1"),
    *("text/plain; charset=utf-16", 'application/json;charset="windows-1252"', "a/b; charset=none-such"),
    "charset=",
    *("application/json; charset=idna", "application/json; charset=base64", "application/json; charset=\x00"),
)  # fmt: skip


def seeds(aggregator: Aggregator) -> tuple[bytes, ...]:
    """Valid JSON bodies of an aggregator, in the order of their kinds."""
    plain = tuple(body for body in _plain(aggregator) if _is_json(body))
    template = _WRAPPED[aggregator]
    gaps = template.count(b"%s")
    bodies = {Aggregator.CLICKPOST: 1, Aggregator.SHIPROCKET: 1, Aggregator.SHIPWAY: 2}[aggregator]
    key = KEY.encode()
    wrapped = tuple(_fill(template, [key] * (gaps - bodies), body, bodies) for body in plain[:4])
    return (*plain, *wrapped, b"[" + b",".join(plain[:3]) + b"]")


def _fill(template: bytes, keys: list[bytes], body: bytes, bodies: int) -> bytes:
    if template.startswith(b'{"data"'):
        return template % (body, *keys)
    return template % (*keys, *([body] * bodies))


def _plain(aggregator: Aggregator) -> Iterator[bytes]:
    for case in json.loads((SAMPLES / "cases.json").read_text()):
        if case["aggregator"] == aggregator.slug:
            yield small.sample(case["file"])
    for row in ROWS:
        yield from (post.body for post in row.posts if _SEGMENTS[post.to] is aggregator)
    yield load_body(aggregator.slug, mark=1, shipment=1, second=1)
    yield json.dumps(_MADE[aggregator]()).encode()


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except ValueError:
        return False
    return True
