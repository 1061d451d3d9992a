"""The tables about messages to people, in the order in which a copy writes them."""

from collections.abc import Iterator, Sequence

import msgspec

from trackpush_server.journal.copying.records import UnscopedRecords


def announcement_tables(rest: UnscopedRecords) -> Iterator[tuple[str, Sequence[msgspec.Struct]]]:
    """Each table that has records; bodies of messages come last, into rows of ``announcement_targets``."""
    tables: tuple[tuple[str, Sequence[msgspec.Struct]], ...] = (
        ("announced", rest.announced),
        ("announced_events", rest.announced_events),
        ("announcement_targets", rest.announcement_targets),
        ("subject_totals", rest.subject_totals),
    )
    return ((table, records) for table, records in tables if records)
