"""SQLite: the entries in the writer's memory, beside a plain list of them."""

import contextlib
import os
import random
from itertools import chain
from pathlib import Path

import pytest

from trackpush_server.journal.sqlite import recent, schema
from trackpush_server.journal.sqlite.connection import open_writer
from trackpush_server.journal.sqlite.recent import Entry, RecentEntries
from trackpush_server.journal.sqlite.sweep import Sweep

SEED = int(os.environ.get("TRACKPUSH_SEED") or random.SystemRandom().randrange(10**6))
TIMES = (0, 0, -1, 1, 2, 1_764_000_000_000)


def made(drawn: random.Random, first: int, count: int) -> list[Entry]:
    """Entries of new updates: terms at both ends, some of them several times, and random ones."""
    terms = (-(1 << 47), -1, 0, 7, 7, (1 << 47) - 1, drawn.randrange(-(1 << 47), 1 << 47))
    return [(drawn.choice(terms), drawn.choice(TIMES), first + number) for number in range(count)]


@pytest.mark.parametrize("large", [4, 8192])
def test_entries_are_found_ordered_taken_back_and_removed_as_a_list_of_them_says(
    monkeypatch: pytest.MonkeyPatch, large: int
) -> None:
    print(f"TRACKPUSH_SEED={SEED}")  # noqa: T201  shown when it fails, to run it again
    monkeypatch.setattr(recent, "_LARGE", large)
    drawn = random.Random(SEED)  # noqa: S311  reproducible
    entries, expected = RecentEntries(), set[Entry]()
    for first in range(0, 2000, 10):
        new = made(drawn, first, drawn.randrange(10))
        entries.add(new)
        if drawn.random() < 0.3:
            entries.rolled_back()
        else:
            assert entries.committed() == len(new)
            expected.update(new)
        if expected and drawn.random() < 0.3:
            removed = drawn.sample(sorted(expected), min(len(expected), 2))
            entries.remove([*removed, (3, 0, 1), (7, 5, 1)])
            expected.difference_update(removed)
    for term in {term for term, _, _ in expected} | {3}:
        of_term = sorted((at, update_id) for other, at, update_id in expected if other == term)
        assert entries.ids(term) == [update_id for _, update_id in of_term]
        for limit in (-2, -1, 0, 1, 2, 3, 1 << 50):
            later = [update_id for at, update_id in reversed(of_term) if at > limit]
            assert list(entries.later(term, limit)) == later
            assert entries.has_later(term, limit) == bool(later)
    assert list(chain.from_iterable(entries.in_order())) == sorted(expected)


def test_an_entry_that_is_removed_during_a_sweep_is_not_merged(tmp_path: Path) -> None:
    entries = RecentEntries()
    entries.add([(5, 0, 1), (5, 0, 2), (5, 3, 3), (6, 0, 4), (1 << 46, 0, 5)])
    entries.committed()
    with contextlib.closing(open_writer(tmp_path / "journal.db", create=True)) as connection:
        schema.migrate(connection)
        sweep = Sweep(entries, up_to=5, trimmed_to=0)
        assert sweep.merge(connection, 1)
        sweep.committed()
        sweep.remove({(5, 0, 2), (1 << 46, 0, 5)})
        assert not sweep.merge(connection, 10)
        found = connection.execute("SELECT term, at, update_id FROM terms ORDER BY 1, 2, 3").fetchall()
        assert found == [(5, 0, 1), (5, 3, 3), (6, 0, 4)]
