"""Shipway: a feed of items ("classic") or one flat event with ``api_input`` ("panel"), aggregators' reference §3.

The code alone decides status and direction. A ``reverse_tracking_number`` decides nothing: Shipway's own sample has
one on a forward delivery.
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from trackpush_api.vocabulary import Aggregator, Direction, Status
from trackpush_server.aggregators import redact, times
from trackpush_server.aggregators.batch import feed
from trackpush_server.aggregators.leftovers import strays
from trackpush_server.aggregators.parsed import Item, Meaning, Stray, short, tracking_update
from trackpush_server.aggregators.tables import shipway as tables
from trackpush_server.aggregators.taxonomy import FAMILY, filter_codes, fold
from trackpush_server.aggregators.values import code as code_text
from trackpush_server.aggregators.values import members, objects, text
from trackpush_server.updates import TrackingUpdate

_FEED = "status_feed"
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TEST_ORDER = "99999999"
_DUMMY = "dummy"
_RETURN_CODE = re.compile("R[A-Z]{1,5}")


def updates(item: Item, body: bytes) -> Iterator[TrackingUpdate | Stray]:
    """The updates of one object: those of its feed, else the panel event that it is. Without shipment, none.

    What of a feed names no shipment is a stray.
    """
    found = feed(item.get(_FEED), _OBJECT.decode(body)[_FEED]) if item.get(_FEED) else []
    if found:
        envelope: dict[str, Any] = dict(_OBJECT.decode(_redacted(item, body)))
        if len(found) > 1:
            # The format has nothing else; whatever came along is not to be multiplied by the number of items.
            envelope = {name: envelope[name] for name in ("hash", _FEED) if name in envelope}
        for each, raw in found:
            envelope[_FEED] = (msgspec.Raw(_redacted(each, raw)),)
            alone = msgspec.json.encode(envelope)
            made = list(_event(each, alone))
            yield from made if made or not each else (Stray(each, alone),)
        for stray in strays(item[_FEED], _OBJECT.decode(body)[_FEED]):
            envelope[_FEED] = (msgspec.Raw(stray.body),)
            yield Stray(stray.document, msgspec.json.encode(envelope))
    else:
        yield from _event(item, _redacted(item, body))


def _event(item: Item, body: bytes) -> Iterator[TrackingUpdate]:
    inner = members(item.get("api_input"))
    awbno = _first(item, inner, "awbno") or text(item.get("awb"))
    order_id = _first(item, inner, "order_id")
    reverse_awb = _first(item, inner, "reverse_tracking_number")
    shipment = awbno or reverse_awb or (None if order_id is None else f"order:{order_id}")
    if shipment is None:
        return
    meaning = _read(item, inner)
    scan = _newest_scan(item.get("scans") or inner.get("scans"))
    time = _time(item, inner, scan)
    returns = meaning.direction is Direction.REVERSE and reverse_awb is not None
    carrier = _first(item, inner, "carrier")
    yield tracking_update(
        Aggregator.SHIPWAY,
        meaning,
        identity=(order_id, awbno or reverse_awb, meaning.code, time),
        shipment=shipment,
        awb=reverse_awb if returns else awbno or reverse_awb,
        forward_awb=awbno if returns else None,
        courier=carrier,
        order_id=order_id,
        estimated_delivery=_estimate(item, inner),
        remark=text(item.get("scans_current_status")) or text(scan.get("status")) or text(item.get("remarks")),
        location=text(scan.get("location")) or text(item.get("location")),
        occurred_at=times.shipway(time),
        occurred_at_text=time,
        test=order_id == _TEST_ORDER or any(map(_is_dummy, (awbno, order_id, carrier, text(item.get("pod"))))),
        body=body,
    )


def _redacted(item: Item, body: bytes) -> bytes:
    """The body without the account's hash and without what is secret in the URLs it calls back."""
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


def _newest_scan(scans: Any) -> Mapping[str, Any]:
    """The newest scan. They come newest first (§3.2); a history that does not is told by its ends."""
    found = objects(scans)
    if not found:
        return members(None)
    first, last = found[0].get("time"), found[-1].get("time")
    return found[-1] if isinstance(first, str) and isinstance(last, str) and last > first else found[0]


def _time(item: Item, inner: Mapping[str, Any], scan: Mapping[str, Any]) -> str | None:
    return (
        _first(item, inner, "status_time")
        or text(item.get("scans_current_status_time"))
        or text(item.get("timestamp"))
        or text(scan.get("time"))
    )


def _estimate(item: Item, inner: Mapping[str, Any]) -> str | None:
    return times.day(item.get("expected_delivery_date")) or times.day(
        members(inner.get("extra_fields")).get("expected_delivery_date")
    )


def _codes(item: Item, inner: Mapping[str, Any]) -> Iterator[Any]:
    """What may be the code, best first: the polling API calls it current_status_code, the panel repeats it inside."""
    yield item.get("current_status_code")
    yield item.get("current_status")
    yield inner.get("current_status_code")
    yield inner.get("current_status")
    yield item.get("status")


def _read(item: Item, inner: Mapping[str, Any]) -> Meaning:
    """The meaning of the first code that is known, else of the first thing in a code's place."""
    label = short(item.get("current_status_desc")) or short(inner.get("current_status_desc"))
    first: str | None = None
    for value in _codes(item, inner):
        code = short(code_text(value))
        if code is not None and code.upper() in tables.STATUSES:
            return _meaning(code, label)
        first = first or code
    return _uncoded(first, label)


@lru_cache(maxsize=4096)
def _meaning(code: str, label: str | None) -> Meaning:
    row = tables.STATUSES[code.upper()]
    return Meaning(
        status=row.status,
        direction=FAMILY.get(row.status, Direction.FORWARD),
        code=code,
        label=label or row.label,
        codes=filter_codes(row.status, code, row.code, row.number or None, label, row.label),
        reason=row.reason,
    )


@lru_cache(maxsize=4096)
def _uncoded(written: str | None, label: str | None) -> Meaning:
    """Without a known code: the exact label where it stands in the code's place or there is no code at all."""
    named = label if written is None else written
    status = Status.UNKNOWN if named is None else tables.LABELS.get(fold(named), Status.UNKNOWN)
    direction = FAMILY.get(status, Direction.FORWARD)
    return Meaning(
        status=status,
        direction=_by_prefix(written) if status is Status.UNKNOWN else direction,
        code=written,
        label=label,
        codes=filter_codes(status, written, label),
    )


def _by_prefix(code: str | None) -> Direction:
    """The direction of a code that is not in the table (§4.3: R-prefixed ones are returns, but for RTO and RTD)."""
    if code is None or _RETURN_CODE.fullmatch(code) is None:
        return Direction.FORWARD
    return Direction.RTO if code.startswith(("RTO", "RTD")) else Direction.REVERSE
