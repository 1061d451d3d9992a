"""Why pushes wait or ended, for the command line: as the server says it, or, without one, from the journal alone."""

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from trackpush_aggregators.updates import rfc3339
from trackpush_cli.moments import show_duration
from trackpush_server.journal.model import PushState
from trackpush_server.journal.search import PushDetail, PushPage, PushQuery, PushRow
from trackpush_server.journal.sqlite.file_reader import JournalReader
from trackpush_server.pusher.why import Explanation, explain

_WIDTH = 100


class ExplainedPush(PushRow, frozen=True, kw_only=True):
    """A push with the reason that the server gave."""

    why: Explanation


class ShownDetail(PushDetail, frozen=True, kw_only=True):
    """A push with the request that the server would make, or made; None if the server doesn't show it."""

    request: dict[str, Any] | None
    answers: dict[int, dict[str, Any]]
    """What the client answered, by the number of the attempt, as far as the server has it in memory."""


class ExplainedJournal:
    """Reads a journal's file; its pushes say why they wait or ended, as far as the journal shows it."""

    def __init__(self, reader: JournalReader) -> None:
        self._reader = reader
        self.list_unrecognised = reader.list_unrecognised
        self.show_unrecognised = reader.show_unrecognised

    def list_pushes(self, query: PushQuery) -> PushPage:
        page = self._reader.list_pushes(query)
        return msgspec.structs.replace(page, rows=self._explained(page.rows))

    def show(self, push_id: str) -> PushDetail | None:
        detail = self._reader.show(push_id)
        return None if detail is None else msgspec.structs.replace(detail, push=self._explained([detail.push])[0])

    def _explained(self, rows: Sequence[PushRow]) -> tuple[PushRow, ...]:
        pending = [row.cursor for row in rows if row.state is PushState.PENDING]
        heads, now = self._reader.lane_heads(pending) if pending else {}, time.time()
        return tuple(
            explained(row, explain(row, None, error=row.error, behind=heads.get(row.cursor), now=now)) for row in rows
        )


def read_why(found: dict[str, Any]) -> Explanation:
    """The reason in an answer of the API."""
    return Explanation(
        code=found["code"],
        message=found["message"],
        since=_milliseconds(found["since"]),
        next=found["next"],
        next_at=_milliseconds(found["nextAt"]),
        behind=found["behind"],
    )


def why_of(row: PushRow) -> Explanation:
    """Why a push waits or ended; without a server, as far as the journal shows it."""
    if isinstance(row, ExplainedPush):
        return row.why
    return explain(row, None, error=row.error, behind=None, now=time.time())


def why_data(why: Explanation) -> dict[str, Any]:
    """The reason for programs, as the API gives it."""
    return {
        "code": why.code,
        "message": why.message,
        "since": None if why.since is None else rfc3339(why.since),
        "next": why.next,
        "nextAt": None if why.next_at is None else rfc3339(why.next_at),
        "behind": why.behind,
    }


def short_why(why: Explanation) -> str:
    """One cell of a table; empty for a delivered push."""
    if why.code == "Delivered":
        return ""
    message = why.message if len(why.message) <= _WIDTH else f"{why.message[: _WIDTH - 1]}…"
    return f"{why.code}{_in(why)}: {message}"


def long_why(why: Explanation) -> str:
    """One line with what happens next."""
    return " ".join(part for part in (f"{why.code}: {why.message}", why.next + _in(why)) if part)


def _in(why: Explanation) -> str:
    left = 0.0 if why.next_at is None else why.next_at / 1000 - time.time()
    return f" (in {show_duration(left)})" if left > 0 else ""


def _milliseconds(text: str | None) -> int | None:
    return None if text is None else round(datetime.fromisoformat(text).timestamp() * 1000)


def explained(row: PushRow, why: Explanation | None) -> PushRow:
    """The row with its reason; without one (an older server), the row."""
    return row if why is None else ExplainedPush(**msgspec.structs.asdict(row), why=why)
