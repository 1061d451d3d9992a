"""Formats pushes for people and for programs.

Free texts of the aggregator (remark, location) and bodies contain personal data, so they are shown only on request.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from trackpush_aggregators.updates import rfc3339
from trackpush_cli.errors import CommandError
from trackpush_cli.moments import show_duration
from trackpush_cli.output import print_body, print_table, say, say_json, show_answer
from trackpush_cli.whys import ShownDetail, long_why, short_why, why_data, why_of
from trackpush_cli.zones import show_time
from trackpush_server.journal.model import PushState
from trackpush_server.journal.search import AttemptRow, PushDetail, PushRow


def _state(row: PushRow) -> str:
    return row.state.name.lower()


def _time(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else rfc3339(milliseconds)


def _next_try(row: PushRow) -> str | None:
    """The due time of the next attempt, for a pending push that was tried before."""
    return rfc3339(row.due_at) if row.state is PushState.PENDING and row.due_at else None


def row_data(row: PushRow) -> dict[str, Any]:
    """One push for programs."""
    return {
        "id": row.push_id,
        "pushConfig": row.push_config,
        "account": row.account,
        "shipment": row.shipment,
        "awb": row.awb,
        "forwardAwb": row.forward_awb,
        "orderId": row.order_id,
        "status": row.status,
        "state": _state(row),
        "late": row.late,
        "tries": row.tries,
        "replays": row.replays,
        "error": row.error,
        "erasedAt": _time(row.erased_at),
        "occurredAt": _time(row.occurred_at),
        "receivedAt": _time(row.received_at),
        "endedAt": _time(row.ended_at),
        "nextTryAt": _next_try(row),
        "why": why_data(why_of(row)),
    }


def page_data(rows: Sequence[PushRow], cursor: str | None) -> dict[str, Any]:
    """A page for programs; ``cursor`` is for the next page, null on the last one."""
    return {"pushes": [row_data(row) for row in rows], "cursor": cursor}


def print_pushes(rows: Sequence[PushRow], cursor: str | None, *, hint: str | None = None) -> None:
    if not rows:
        say("no pushes match" + (f": {hint}" if hint else ""), err=True)
        return
    print_table(
        ("RECEIVED", "SHIPMENT", "STATUS", "PUSH CONFIG", "STATE", "TRIES", "WHY", "ID"),
        [
            (
                show_time(row.received_at),
                "(erased)" if row.erased_at else row.awb or row.shipment,
                row.status + (" (late)" if row.late else ""),
                row.push_config,
                _state(row),
                str(row.tries),
                short_why(why_of(row)),
                row.push_id,
            )
            for row in rows
        ],
    )
    if cursor is not None:
        say(f"there are more: add --cursor {cursor}", err=True)


def _attempt_data(attempt: AttemptRow) -> dict[str, Any]:
    return {
        "number": attempt.number,
        "startedAt": _time(attempt.started_at),
        "durationMs": round(attempt.duration_ms, 1),
        "httpStatus": attempt.http_status,
        "error": attempt.error,
    }


def detail_data(detail: PushDetail, *, body: bool) -> dict[str, Any]:
    """One push for programs, with the bodies only on request."""
    data = row_data(detail.push) | {
        "facts": _facts(detail),
        "attempts": [_attempt_data(attempt) for attempt in detail.attempts],
    }
    if body and not detail.push.erased_at:
        data |= {"notification": _decoded(detail.notification), "body": _decoded(detail.body)}
        data["request"] = detail.request if isinstance(detail, ShownDetail) else None
        answers = detail.answers if isinstance(detail, ShownDetail) else {}
        data["attempts"] = [tried | {"answer": answers.get(tried["number"])} for tried in data["attempts"]]
    return data


def print_detail(detail: PushDetail, *, body: bool) -> None:
    row = detail.push
    lines: dict[str, str | None] = {
        "id": row.push_id,
        "push config": row.push_config,
        "state": _state(row),
        "why": long_why(why_of(row)),
        "next try": _next_try(row),
        "received": show_time(row.received_at),
        "occurred": None if row.occurred_at is None else show_time(row.occurred_at) + (" (late)" * row.late),
        "ended": None if row.ended_at is None else show_time(row.ended_at),
        "account": row.account,
        "replayed": f"{row.replays} times" if row.replays else None,
        "erased": None if row.erased_at is None else show_time(row.erased_at),
        "encrypted": detail.unreadable and "give --encryption-key-file to see the data of its shipment",
        **{name: str(value) for name, value in _facts(detail).items() if value is not None},
    }
    for name, value in lines.items():
        if value:
            say(f"{name + ':':<20}{value}")
    say()
    if detail.attempts:
        print_table(("TRY", "WHEN", "TOOK", "ANSWER"), [_attempt_cells(attempt) for attempt in detail.attempts])
    else:
        say("no attempt was made")
    if body and not row.erased_at:
        if isinstance(detail, ShownDetail) and detail.request is not None:
            _print_request(detail.request)
        for number, answer in (detail.answers if isinstance(detail, ShownDetail) else {}).items():
            _print_answer(number, answer)
        for name, content in (("notification", detail.notification), ("body", detail.body)):
            say()
            say(f"{name}:")
            say_json(_indented(content))


def print_curl(detail: PushDetail) -> None:
    """Print a curl command for the request.

    Raises:
        CommandError: there is none to show.
    """
    request = detail.request if isinstance(detail, ShownDetail) else None
    if request is None:
        raise CommandError(
            f"push {detail.push.push_id}: no request can be shown. It needs a running server (not --data), a token with"
            " the role operate, a PushConfig that exists, and a body that was not erased"
        )
    say(f"# {request['certainty']}", err=True)
    print_body(f"{request['curl']}\n".encode())


def _print_answer(number: int, answer: dict[str, Any]) -> None:
    say()
    say(f"answer to attempt {number}:")
    for header in answer["headers"]:
        say(f"{header['name']}: {header['value']}")
    if answer["excerpt"]:
        say()
        say(answer["excerpt"])


def _print_request(request: dict[str, Any]) -> None:
    say()
    say("request:")
    say(f"# {request['certainty']}")
    say(f"POST {request['url']}")
    for header in request["headers"]:
        say(f"{header['name']}: {header['value']}")
    say()
    say_json(request["body"])  # with escapes for what a terminal obeys; `--curl` has the exact bytes


def _attempt_cells(attempt: AttemptRow) -> tuple[str, str, str, str]:
    return (
        str(attempt.number),
        show_time(attempt.started_at),
        show_duration(attempt.duration_ms / 1000),
        show_answer(attempt.http_status, attempt.error),
    )


def _facts(detail: PushDetail) -> dict[str, Any]:
    """A notification's data about its shipment, without free texts."""
    if detail.push.erased_at or detail.unreadable is not None:
        return {}
    content = msgspec.json.decode(detail.notification)
    shipment, status = content["shipment"], content["status"]
    return {
        "aggregator": content["aggregator"],
        **shipment,
        "status": status["code"],
        "aggregatorCode": status["aggregatorCode"],
        "aggregatorLabel": status["aggregatorLabel"],
        "ndrReason": status["ndrReason"],
        "terminal": status["terminal"],
    }


def _decoded(body: bytes) -> Any:
    return msgspec.json.decode(body)


def _indented(body: bytes) -> str:
    return msgspec.json.format(body, indent=2).decode()
