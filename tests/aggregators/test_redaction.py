"""No key leaves in a body, and nothing else of the body changes."""

import json
from urllib.parse import quote, quote_plus

import pytest

from aggregators.bodies import CLICKPOST, SHIPROCKET, SHIPWAY, clickpost, one, shipway
from support.rows import every_row
from trackpush_aggregators import redact

KEY = "s3cr3t-key/with +specials=é"
PLAIN = "0123456789abcdef"
URL = "https://gateway.test/rms/in/api/shipway/notify"


def forms(key: str) -> list[str]:
    """The key as JSON and URLs write it, each as JSON text."""
    everything_escaped = "".join(f"\\u{ord(character):04x}" for character in key)
    urls = {quote(key, safe=""), quote(key), quote_plus(key), quote(key, safe="").lower(), quote(quote(key, safe=""))}
    return [json.dumps(key), json.dumps(key, ensure_ascii=False), json.dumps(key).replace("/", "\\/"),
            f'"{everything_escaped}"', *(f'"https://x.test/?key={url}&a=b"' for url in sorted(urls))]  # fmt: skip


@every_row("key", [KEY, PLAIN])
@every_row("place", range(9))
def test_the_presented_key_is_gone_in_every_form_and_the_rest_is_untouched(key: str, place: int) -> None:
    written = forms(key)
    form = written[place % len(written)]
    before, after = (
        b'{ "awb": "1900", "n": 1.10, "e": "\\u00e9\\/", "echo": ',
        b' , "big": 1000000000000000000000000000001 }',
    )

    update = one(SHIPROCKET, before + form.encode() + after, key=key)

    echo = json.loads(update.body)["echo"]
    assert echo in {"[redacted]", "https://x.test/?key=[redacted]&a=b"}
    assert update.body == before + json.dumps(echo).encode() + after


def test_bodies_without_a_key_cost_no_pattern_whatever_the_number_of_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    monkeypatch.setattr(redact.re, "compile", made.append)

    for number in range(20):
        one(CLICKPOST, clickpost(), key=f"{PLAIN}-{number}")

    assert made == []


def test_a_body_without_secrets_is_not_touched_however_it_looks() -> None:
    body = '{"waybill": "1", "remark": "50% off \\u00e9 + \\/ é"}'.encode()

    assert one(CLICKPOST, body, key=KEY).body == body
    assert one(CLICKPOST, body, key="k-1").body == body


def test_a_short_key_is_only_the_key_where_it_is_alone() -> None:
    body = {"waybill": "1", "a": "SKU-k-17", "b": "k-1", "c": "https://x.test/?key=k-1&a=1"}

    assert json.loads(one(CLICKPOST, body, key="k-1").body) == {
        "waybill": "1",
        "a": "SKU-k-17",
        "b": "[redacted]",
        "c": "https://x.test/?key=[redacted]&a=1",
    }


def test_a_key_of_digits_never_breaks_a_number() -> None:
    body = b'{"awb": "1900", "n": 9912345678, "s": "12345678"}'

    assert one(SHIPROCKET, body, key="12345678").body == b'{"awb": "1900", "n": 9912345678, "s": "[redacted]"}'


def test_a_key_that_begins_where_an_escape_ends_never_breaks_the_json() -> None:
    body = b'{"awb": "1900", "s": "\\nkey-0123 nkey-0123"}'

    assert json.loads(one(SHIPROCKET, body, key="nkey-0123").body)["s"] == "\nkey-0123 [redacted]"


def test_a_key_that_is_a_members_name_does_no_harm() -> None:
    for key in ("api_input", "callback_url", "status_feed", "hash"):
        body = shipway(hash="x", api_input={"callback_url": f"{URL}?key=1"}, status_feed=[])
        assert one(SHIPWAY, body, key=key).awb == "1900"


def test_the_key_leaves_the_normalised_texts_and_never_the_identity() -> None:
    body = clickpost(remark=f"see {PLAIN}", location=PLAIN, waybill=PLAIN, clickpost_status_description=PLAIN)

    update = one(CLICKPOST, body, key=PLAIN)

    assert (update.remark, update.location, update.aggregator_label) == ("see [redacted]", "[redacted]", "[redacted]")
    assert update.codes == ("5",)
    assert update.identity == one(CLICKPOST, body).identity
    assert update.awb == PLAIN


def test_shipways_hash_is_removed_wherever_it_is_and_whosever_it_is() -> None:
    body = shipway(hash="another", api_input={"hash": "third"})

    assert json.loads(one(SHIPWAY, body).body) == shipway(hash="[redacted]", api_input={"hash": "[redacted]"})


def test_an_item_of_a_feed_loses_its_own_hash_too() -> None:
    update = one(SHIPWAY, {"hash": "a", "status_feed": [shipway(hash="b")]}, key="c")

    assert json.loads(update.body) == {"hash": "[redacted]", "status_feed": [shipway(hash="[redacted]")]}


@every_row("empty", [None, ""])
def test_an_empty_hash_leaves_the_body_as_it_came(empty: object) -> None:
    body = json.dumps(shipway(hash=empty), indent=3).encode()

    assert one(SHIPWAY, body).body == body


@every_row(
    ("url", "left"),
    [
        (URL, URL),
        (f"{URL}?key=k-2", f"{URL}?key=[redacted]"),
        (f"{URL}?a=1&token=k-2#f", f"{URL}?a=[redacted]&token=[redacted]#[redacted]"),
        (f"{URL}?k-2", f"{URL}?[redacted]"),
        (f"{URL}/k-2", f"{URL}/[redacted]"),
        (f"{URL}/k-2/x?y=z", f"{URL}/[redacted]?y=[redacted]"),
        ("https://user:pw@x.test/a", "https://[redacted]@x.test/a"),
        ("http://[::1", "http://[::1"),
        ("", ""),
        (None, None),
        (7, "[redacted]"),
        ({"u": "k-2"}, "[redacted]"),
    ],
)
def test_the_url_that_shipway_calls_back_keeps_what_is_not_a_secret(url: object, left: object) -> None:
    for body in (shipway(callback_url=url), shipway(api_input={"callback_url": url})):
        content = json.loads(one(SHIPWAY, body).body)
        assert (content | content.get("api_input", {}))["callback_url"] == left


def test_a_redacted_body_keeps_numbers_order_and_escapes_of_all_else() -> None:
    inner = b'{ "z": 1.10, "callback_url": "https:\\/\\/x.test\\/?key=k-2", "a": "\\u00e9" , "n": 1e5}'
    body = b'{"z":1000000000000000000000000000001,"awbno":"1900","api_input":%s,"a":1.0}' % inner

    assert one(SHIPWAY, body).body == (
        b'{"z":1000000000000000000000000000001,"awbno":"1900","api_input":'
        b'{"z":1.10,"callback_url":"https://x.test/?key=[redacted]","a":"\\u00e9","n":1e5},"a":1.0}'
    )
