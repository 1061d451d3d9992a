"""What of a body is kept, and whether an AWB occurs in it."""

from support.rows import every_row
from trackpush_aggregators import MalformedBodyError, decode, mentions, parse
from trackpush_api.vocabulary import Aggregator


@every_row(
    ("body", "text", "found"),
    [
        (b'{"x": "7020"}', "7020", True),
        (b'{"x": 7020}', "7020", True),
        (b'{"x": 7020.0}', "7020", True),
        (b'{"x": "\\u0037020"}', "7020", True),
        (b'{"7020": 1}', "7020", True),
        (b'{"url": "https://x/track/7020?a=1"}', "7020", True),
        (b'{"x": "17020"}', "7020", False),
        (b'{"x": "RTO190414247515"}', "190414247515", True),
        ('{"x": "7020"}'.encode("utf-16"), "7020", True),
        (b"no JSON 7020 at all", "7020", True),
        (b"no JSON", "7020", False),
    ],
)
def test_an_awb_is_found_in_whatever_form_it_has(body: bytes, text: str, found: bool) -> None:  # noqa: FBT001
    assert mentions(body, text) is found


@every_row("aggregator", list(Aggregator))
@every_row("deep", [10, 200, 5000])
def test_a_body_that_is_nested_deeply_is_kept_or_refused_and_never_raises(aggregator: Aggregator, deep: int) -> None:
    body = b'{"internal": ' * deep + b'{"hash": "x"}' + b"}" * deep
    try:
        document = decode(body)
    except MalformedBodyError:
        return
    (left,) = parse(aggregator, document, body, key="x" * 10, received_at=1).leftovers
    assert left.names == ("internal",)
