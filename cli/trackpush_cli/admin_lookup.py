"""Reads pushes from a running server's admin API into the journal's own types."""

import base64
from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Any, Concatenate, Final, ParamSpec, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from trackpush_cli.admin_port import AdminClient, other_form
from trackpush_cli.errors import CommandError
from trackpush_cli.whys import ShownDetail, explained, read_why
from trackpush_server.ids import inbox_id, parse_inbox_id
from trackpush_server.journal.inbox import InboxEntry, InboxPage, InboxQuery, InboxRow
from trackpush_server.journal.model import PushState
from trackpush_server.journal.search import AttemptRow, PushDetail, PushPage, PushQuery, PushRow, parse_awbs

_API: Final = "/api/v1"
Json = dict[str, Any]
P = ParamSpec("P")
R = TypeVar("R")


def _of_known_form(read: Callable[Concatenate["AdminLookup", P], R]) -> Callable[Concatenate["AdminLookup", P], R]:
    """Turn an answer of unexpected form (such as a number instead of a list) into a one-line error."""

    @wraps(read)
    def checked(lookup: "AdminLookup", /, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return read(lookup, *args, **kwargs)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise other_form(lookup.place, type(error).__name__) from None

    return checked


class AdminLookup:
    """Reads through one server's admin port. Methods raise the errors of `AdminClient.ask`."""

    def __init__(self, port: AdminClient) -> None:
        self._port = port
        self.place = port.name

    @_of_known_form
    def list_pushes(self, query: PushQuery) -> PushPage:
        asked = {
            "awb": _awb(query.awbs),
            "orderId": query.order_id,
            "status": query.status,
            "account": query.account,
            "client": query.client,
            "pushConfig": query.push_config,
            "endedSince": _iso(query.ended_since),
            "endedUntil": _iso(query.ended_until),
            "error": ",".join(query.errors) or None,
            "state": None if query.state is None else query.state.name.lower(),
            "since": _iso(query.since),
            "until": _iso(query.until),
            "cursor": query.cursor,
            "limit": query.limit,
        }
        given = {name: value for name, value in asked.items() if value is not None}
        page = self._port.ask("GET", f"{_API}/pushes?{urlencode(given)}")
        rows = tuple(_row(push) for push in page["pushes"])
        return PushPage(rows, older=page["older"], newer=page["newer"], hint=page.get("hint"))

    @_of_known_form
    def show(self, push_id: str) -> PushDetail | None:
        found = self._port.find("GET", f"{_API}/pushes/{quote(push_id, safe='')}")
        if found is None:
            return None
        return ShownDetail(
            request=found.get("request"),
            answers={tried["number"]: tried["answer"] for tried in found["attempts"] if tried.get("answer")},
            push=_row(found["push"]),
            attempts=tuple(_attempt(attempt) for attempt in found["attempts"]),
            notification=msgspec.json.encode(found["notification"]),
            body=msgspec.json.encode(found["body"]),
            unreadable=found.get("unreadable"),
        )

    @_of_known_form
    def list_unrecognised(self, query: InboxQuery) -> InboxPage:
        asked = {"account": query.account, "client": query.client, "before": query.before, "limit": query.limit}
        given = {name: value for name, value in asked.items() if value is not None}
        page = self._port.ask("GET", f"{_API}/inbox?{urlencode(given)}")
        return InboxPage(tuple(_inbox_row(body) for body in page["bodies"]), older=page["before"])

    @_of_known_form
    def show_unrecognised(self, key: bytes) -> InboxEntry | None:
        """One unrecognised body, or None; for the role view it is unreadable."""
        found = self._port.find("GET", f"{_API}/inbox/{inbox_id(key)}")
        if found is None:
            return None
        unreadable = found["unreadable"]
        if found["masked"] and unreadable is None:
            unreadable = "the role view does not see bodies; use a token with the role operate"
        body = b"" if found["bodyBase64"] is None else base64.b64decode(found["bodyBase64"])
        return InboxEntry(row=_inbox_row(found["unrecognised"]), body=body, unreadable=unreadable)

    @_of_known_form
    def shipment(self, awb: str, client: str | None) -> list[Json]:
        """Every update of a shipment in the order received, as the API gives it."""
        updates: list[Json] = []
        after: int | None = 0
        while after is not None:
            asked = {"after": after} | ({} if client is None else {"client": client})
            page = self._port.find("GET", f"{_API}/shipments/{quote(awb, safe='')}?{urlencode(asked)}")
            if page is None:
                raise CommandError(f"{self.place}: it has no admin API; the server is older than this program")
            updates += page["updates"]
            after = page["after"]
        return updates


def _awb(awbs: tuple[str, ...]) -> str | None:
    """The parameter that the server reads as these AWBs: the text that `parse_awbs` took apart, or a list."""
    if not awbs:
        return None
    return awbs[0] if parse_awbs(awbs[0]) == awbs else ",".join(awbs)


def milliseconds(text: str | None) -> int | None:
    """An RFC 3339 time in ms since the epoch."""
    return None if text is None else round(datetime.fromisoformat(text).timestamp() * 1000)


def _iso(moment: int | None) -> str | None:
    return None if moment is None else datetime.fromtimestamp(moment / 1000).astimezone().isoformat()


def _row(push: Json) -> PushRow:
    row = PushRow(
        push_id=push["id"],
        push_config=push["pushConfig"],
        account=push["account"],
        shipment=push["shipment"],
        awb=push["awb"],
        forward_awb=push["forwardAwb"],
        order_id=push["orderId"],
        status=push["status"],
        state=PushState[push["state"].upper()],
        late=push["late"],
        tries=push["tries"],
        rejections=0,
        due_at=milliseconds(push["nextTryAt"]) or 0,
        received_at=milliseconds(push["receivedAt"]) or 0,
        occurred_at=milliseconds(push["occurredAt"]),
        ended_at=milliseconds(push["endedAt"]),
        error=push["error"],
        replays=push["replays"],
        erased_at=milliseconds(push["erasedAt"]),
        cursor="",
    )
    return explained(row, read_why(push["why"]) if push.get("why") else None)


def _inbox_row(body: Json) -> InboxRow:
    return InboxRow(
        id=0,
        key=parse_inbox_id(body["id"]),
        account=body["account"],
        aggregator=body["aggregator"],
        received_at=milliseconds(body["receivedAt"]) or 0,
        last_at=milliseconds(body["lastReceivedAt"]) or 0,
        times=body["times"],
        size=body["bytes"],
        content_type=body["contentType"],
    )


def _attempt(attempt: Json) -> AttemptRow:
    return AttemptRow(
        number=attempt["number"],
        started_at=milliseconds(attempt["startedAt"]) or 0,
        duration_ms=attempt["durationMs"],
        http_status=attempt["httpStatus"],
        error=attempt["error"],
    )
