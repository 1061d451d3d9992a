"""Shipway: a feed of items ("classic") or one flat event with ``api_input`` ("panel"), §3.

The code alone decides status and direction. A ``reverse_tracking_number`` decides nothing: Shipway's own sample has
one on a forward delivery.
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from trackpush_aggregators import details, redact, times
from trackpush_aggregators.batch import feed
from trackpush_aggregators.leftovers import strays
from trackpush_aggregators.parsed import Item, Meaning, Stray, short, short_code, tracking_update
from trackpush_aggregators.raw import MEMBERS
from trackpush_aggregators.scans import Scan, newest
from trackpush_aggregators.shipway import codes as tables
from trackpush_aggregators.taxonomy import FAMILY, filter_codes, fold, never_forward, turned, turned_status
from trackpush_aggregators.updates import TrackingUpdate
from trackpush_aggregators.values import members, objects, text
from trackpush_api.vocabulary import Aggregator, Direction, Status

_FEED = "status_feed"
_TEST_ORDER = "99999999"
_DUMMY = "dummy"
_RETURN_CODE = re.compile("R[A-Z]{1,5}")


def updates(item: Item, body: bytes, until: int) -> Iterator[TrackingUpdate | Stray]:
    """The updates of one object: those of its feed, else the panel event itself. Without a shipment, none.

    Items of a feed without a shipment are strays. `times` describes ``until``.
    """
    found = feed(item.get(_FEED), MEMBERS.decode(body)[_FEED]) if item.get(_FEED) else []
    if found:
        envelope: dict[str, Any] = dict(MEMBERS.decode(_redacted(item, body)))
        if len(found) > 1:
            # The format has nothing else; whatever came along is not to be multiplied by the number of items.
            envelope = {name: envelope[name] for name in ("hash", _FEED) if name in envelope}
        for each, raw in found:
            envelope[_FEED] = (msgspec.Raw(_redacted(each, raw)),)
            alone = msgspec.json.encode(envelope)
            made = list(_event(each, alone, until))
            yield from made if made or not each else (Stray(each, alone),)
        for stray in strays(item[_FEED], MEMBERS.decode(body)[_FEED]):
            envelope[_FEED] = (msgspec.Raw(stray.body),)
            yield Stray(stray.document, msgspec.json.encode(envelope))
    else:
        yield from _event(item, _redacted(item, body), until)


def _event(item: Item, body: bytes, until: int) -> Iterator[TrackingUpdate]:
    inner = members(item.get("api_input"))
    awbno = _first(item, inner, "awbno") or text(item.get("awb"))
    order_id = _first(item, inner, "order_id")
    reverse_awb = _first(item, inner, "reverse_tracking_number")
    shipment = awbno or reverse_awb or (None if order_id is None else f"order:{order_id}")
    if shipment is None:
        return
    meaning = _read(item, inner)
    scans = item.get("scans") or inner.get("scans")
    # They come newest first (§3.2).
    scan = newest(scans, "time", lambda given: times.moment(given, until), newest_first=True).scan
    best, time, occurred_at = _time(item, inner, scan, until)
    returns = meaning.direction is Direction.REVERSE and reverse_awb is not None
    carrier = _first(item, inner, "carrier")
    yield tracking_update(
        Aggregator.SHIPWAY,
        meaning,
        identity=(
            *(order_id, awbno or reverse_awb, meaning.code or meaning.label, time or best),
            *((best,) if time is not None and time != best else ()),
        ),
        shipment=shipment,
        awb=reverse_awb if returns else awbno or reverse_awb,
        forward_awb=awbno if returns else None,
        return_awb=None if returns or awbno is None else reverse_awb,
        courier=carrier,
        order_id=order_id,
        estimated_delivery=_estimate(item, inner),
        remark=text(item.get("scans_current_status")) or text(scan.get("status")) or text(item.get("remarks")),
        location=text(scan.get("location")) or text(item.get("location")),
        attempt=details.attempt(_extra(item, inner, "dispatchCount")),
        proof_of_delivery=details.link(_first(item, inner, "pod")) or details.link(_first(item, inner, "epod")),
        occurred_at=occurred_at,
        occurred_at_text=time or best,
        test=order_id == _TEST_ORDER or any(map(_is_dummy, (awbno, order_id, carrier, text(item.get("pod"))))),
        body=body,
    )


def _redacted(item: Item, body: bytes) -> bytes:
    """The body without the account's hash and without the secrets in its callback URLs."""
    changes = redact.members_changed(item, _without_secrets(item))
    inner = members(item.get("api_input"))
    inner_changes = redact.members_changed(inner, _without_secrets(inner))
    if inner_changes:
        changes["api_input"] = inner_changes
    return redact.change(body, changes) if changes else body


def body_key(item: Item) -> str | None:
    """The ``hash`` by which the classic format identifies the account (§3.1), of the feed or of its items."""
    given = item.get(_FEED)
    for holder in (item, members(given), *objects(given)):
        found = holder.get("hash")
        if isinstance(found, str) and found.strip():
            return found.strip()
    return None


def _without_secrets(item: Mapping[str, Any]) -> dict[str, Any]:
    given = item.get("hash")
    return {
        "hash": redact.REDACTED if given or given == 0 else given,
        "callback_url": redact.url(item.get("callback_url")),
    }


def _first(item: Mapping[str, Any], inner: Mapping[str, Any], name: str) -> str | None:
    return text(item.get(name)) or text(inner.get(name))


def _is_dummy(value: str | None) -> bool:
    return value is not None and value[: len(_DUMMY)].lower() == _DUMMY


def _time(item: Item, inner: Mapping[str, Any], scan: Scan, until: int) -> tuple[str | None, str | None, int | None]:
    """The first candidate for the time, the first readable one, and its value; None for each that is missing."""
    best = None
    for value in _times(item, inner, scan):
        written = text(value)
        best = best or written
        if (moment := times.moment(written, until)) is not None:
            return best, written, moment
    return best, None, None


def _times(item: Item, inner: Mapping[str, Any], scan: Scan) -> Iterator[Any]:
    """Candidates for the time of the update, best first."""
    for name in ("status_time", "scans_current_status_time", "timestamp"):
        yield item.get(name)
        yield inner.get(name)
    yield scan.get("time")


def _extra(item: Item, inner: Mapping[str, Any], name: str) -> str | None:
    return _first(members(item.get("extra_fields")), members(inner.get("extra_fields")), name)


def _estimate(item: Item, inner: Mapping[str, Any]) -> str | None:
    holders = (item, inner, members(item.get("extra_fields")), members(inner.get("extra_fields")))
    return next(filter(None, (times.day(holder.get("expected_delivery_date")) for holder in holders)), None)


def _codes(item: Item, inner: Mapping[str, Any]) -> Iterator[Any]:
    """Candidates for the code, best first: the polling API has current_status_code, the panel repeats it inside."""
    yield item.get("current_status_code")
    yield item.get("current_status")
    yield inner.get("current_status_code")
    yield inner.get("current_status")
    yield item.get("status")


def _read(item: Item, inner: Mapping[str, Any]) -> Meaning:
    """The meaning of the first known code, else of the first value in a code's place."""
    label = short(item.get("current_status_desc")) or short(inner.get("current_status_desc"))
    return _meaning_of(label, *[code for value in _codes(item, inner) if (code := short_code(value)) is not None])


@lru_cache(maxsize=4096)
def _meaning_of(label: str | None, *codes: str) -> Meaning:
    turn = next(filter(None, map(turned, (label, *codes))), None)
    for code in codes:
        if code.upper() in tables.STATUSES:
            return _meaning(code, label, turn)
    return _uncoded(codes[0] if codes else None, label, turn)


def _meaning(code: str, label: str | None, turn: Direction | None) -> Meaning:
    row = tables.STATUSES[code.upper()]
    status, direction = never_forward(row.status, FAMILY.get(row.status, Direction.FORWARD), (turn,))
    return Meaning(
        status=status,
        direction=direction,
        code=code,
        label=label or row.label,
        codes=filter_codes(status, code, row.code, row.number or None, label, row.label),
        reason=row.reason if status is row.status else None,
    )


def _uncoded(written: str | None, label: str | None, turn: Direction | None) -> Meaning:
    """The meaning without a known code: by the exact label, if it is in the code's place or there is no code."""
    named = label if written is None else written
    folded = "" if named is None else fold(named)
    status = tables.LABELS.get(folded) or turned_status(folded, tables.LABELS.get) or Status.UNKNOWN
    direction = _by_prefix(written) if status is Status.UNKNOWN else FAMILY.get(status, Direction.FORWARD)
    status, direction = never_forward(status, direction, (turn,))
    return Meaning(
        status=status,
        direction=direction,
        code=written,
        label=label,
        codes=filter_codes(status, written, label),
    )


def _by_prefix(code: str | None) -> Direction:
    """The direction of a code that is not in the table (§4.3: R-prefixed ones are returns, except RTO and RTD)."""
    folded = "" if code is None else code.upper()
    if _RETURN_CODE.fullmatch(folded) is None:
        return Direction.FORWARD
    return Direction.RTO if folded.startswith(("RTO", "RTD")) else Direction.REVERSE
