"""Compares the clients' pushes with the journal after the server has ended."""

from pathlib import Path

from trackpush_cli.demo.ledger import Ledger
from trackpush_server.journal.model import JournalUnavailableError, PushState
from trackpush_server.journal.search import MOST_ROWS, PushQuery, PushRow
from trackpush_server.journal.sqlite.file_reader import JournalReader


def journal_problems(data: Path, ledger: Ledger) -> list[str]:
    """The differences between the journal in ``data`` and the clients' records."""
    try:
        with JournalReader(data) as reader:
            delivered = _count(reader, PushState.DELIVERED)
            others = [row for state in (PushState.PENDING, PushState.DEAD) for row in _rows(reader, state)]
    except JournalUnavailableError as error:
        return [str(error)]
    arrived = ledger.counts["arrived"] + ledger.counts["foreign"]
    problems = [f"journal: {row.push_id} to {row.push_config} is {row.state.name.lower()}" for row in others]
    if delivered != arrived:
        problems.append(f"journal: {delivered} pushes are delivered, but {arrived} arrived")
    return problems


def _count(reader: JournalReader, state: PushState) -> int:
    count = 0
    page = reader.list_pushes(PushQuery(state=state, limit=MOST_ROWS))
    while page.older is not None:
        count += len(page.rows)
        page = reader.list_pushes(PushQuery(state=state, limit=MOST_ROWS, cursor=page.older))
    return count + len(page.rows)


def _rows(reader: JournalReader, state: PushState) -> tuple[PushRow, ...]:
    return reader.list_pushes(PushQuery(state=state, limit=MOST_ROWS)).rows
